"""The words of the synthesizer: stacks, problems, scenarios, tags, sentences, snippets.

Constant data only. `{slot}` in sentences and `@slot@` in snippets are filled by `synthesizer`.
Order matters: a word's place decides which seed draws it, so additions change the output of
every seed and need a line in the changelog.
"""
