"""Marks of template languages stay visible: highlighted blocks as code, the others in spans."""

import pytest

from posts.importing.formats.templating import shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("No marks { at } all.", "No marks { at } all."),
        ("See {% include a.html %} here.", "See `{% include a.html %}` here."),
        ("{{ page.title }}", "`{{ page.title }}`"),
        ('{{< figure src="a.png" >}}', '`{{< figure src="a.png" >}}`'),
        ("{{% notice %}}x{{% /notice %}}", "`{{% notice %}}`x`{{% /notice %}}`"),
        ("{% a `b` %}", "``{% a `b` %}``"),
        ("{%\n  multi\n%}", "`{%\n  multi\n%}`"),
        # Where a mark is code already, or a part of an address or of a tag.
        ("`{{ x }}` and {{ y }}", "`{{ x }}` and `{{ y }}`"),
        ("```\n{{ x }}\n```\n{{ y }}", "```\n{{ x }}\n```\n`{{ y }}`"),
        ("    {{ x }}\n\n{{ y }}", "    {{ x }}\n\n`{{ y }}`"),
        ('<a href="{{ x }}">y</a>', '<a href="{{ x }}">y</a>'),
        # What is no mark.
        ("{% never closed", "{% never closed"),
        ("{% over\n\nparagraphs %}", "{% over\n\nparagraphs %}"),
        ("{% raw %}{{ x }}{% endraw %}", "`{{ x }}`"),
        ("```\n{% raw %}\n{{ x }}\n{% endraw %}\n```", "```\n\n{{ x }}\n\n```"),
        ("{% raw %} alone", "`{% raw %}` alone"),
    ],
)
def test_mark_is_shown(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]({{site.url}}/b)", "a (`{{site.url}}/b`)"),
        ("[a *b*]( {{ site.url }}/b ) c", "a *b* (`{{ site.url }}/b`) c"),
        ('[a]({{ "/b/#c" | relative_url }} "T").', 'a (`{{ "/b/#c" | relative_url }}`).'),
        ("[a](<{% post_url 2012-01-02-b %}#c>)", "a (`{% post_url 2012-01-02-b %}#c`)"),
        ('[a\nb]({{< ref "c.md" >}})', 'a\nb (`{{< ref "c.md" >}}`)'),
        ("[a]({{ site.url\n}}/b)", "a (`{{ site.url }}/b`)"),
        ("![a]({{ site.url }}/b.png)", "a (`{{ site.url }}/b.png`)"),
        ("[![a](b.png)]({{ c }}/)", "![a](b.png) (`{{ c }}/`)"),
        ("[![a]({{ b }})](/c)", "[a (`{{ b }}`)](/c)"),
        (
            "[a][x], [b] [X][], [x]\n\n [x]: {{ y }}/z",
            "a (`{{ y }}/z`), [b] X (`{{ y }}/z`), x (`{{ y }}/z`)\n\n",
        ),
        ("[a][x]\n\n[x]: {% link b.md %} 'T'\nc", "a (`{% link b.md %}`)\n\nc"),
        # Other links, and what is no link at all.
        ("[a](/b) [c]({{ d }})", "[a](/b) c (`{{ d }}`)"),
        ("[ ] a [b]({{ c }})", "[ ] a b (`{{ c }}`)"),
        ("`[a]({{ b }})` [c]({{ d }})", "`[a]({{ b }})` c (`{{ d }}`)"),
        ("    [x]: {{ y }}\n", "    [x]: {{ y }}\n"),
        ("[a\n\nb]({{ c }})", "[a\n\nb](`{{ c }}`)"),
        ("\\[a]({{ b }})", "\\[a](`{{ b }}`)"),
    ],
)
def test_link_to_a_mark_becomes_its_words_and_the_address(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{% highlight ruby %}\nx\n{% endhighlight %}", "```ruby\nx\n```"),
        ("{%- highlight c++ linenos -%}\nx\n{%- endhighlight -%}\n", "```c++\nx\n```\n"),
        ("{%\n  highlight\n  ruby\n%}\nx\n{%\n  endhighlight\n%}", "```ruby\nx\n```"),
        ('{{< highlight go "a=b" >}}\nx\n{{< /highlight >}}', "```go\nx\n```"),
        ("  {% highlight py %}\n  x\n  {% endhighlight %}", "  ```py\n  x\n  ```"),
        ("a {% highlight py %}x{% endhighlight %} b", "a \n\n```py\nx\n```\n\n b"),
        ("{% highlight md %}\n```\nx\n```\n{% endhighlight %}", "````md\n```\nx\n```\n````"),
        ("{% highlight py %}\n\n{{ x }}\n{% endhighlight %}", "```py\n{{ x }}\n```"),
        # Not in code, and not without an end.
        (
            "```\n{% highlight py %}\nx\n{% endhighlight %}\n```",
            "```\n{% highlight py %}\nx\n{% endhighlight %}\n```",
        ),
        ("{% highlight py %}\nx", "`{% highlight py %}`\nx"),
    ],
)
def test_highlighted_block_becomes_fenced_code(text, expected):
    assert shown(text) == expected


@pytest.mark.parametrize(
    "piece",
    [
        *("{%", "{{", "{% ", "{{ x }}", "{% x %} ", "{% raw %}", "{% highlight a %}", "`", "``` "),
        *("{% endhighlight %}", "](", "<a ", "[x]: ", "```\n", "{%`", "{{<", "`{{", "{%\n\n"),
        *("[", "[a]({{ b }})", "[a]: {{ b }}\n", "](", "]({{ a", "[a]({{b}}c", "![", "[a][b]"),
    ],
)
def test_any_text_takes_time_in_proportion(piece):
    """A square would take minutes here."""
    text = shown(piece * (60_000 // len(piece)) + "%}")

    assert len(text) >= 30_000 or any(mark in piece for mark in ("raw", "highlight", "]:"))
