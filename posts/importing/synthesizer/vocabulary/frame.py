"""What surrounds the paragraphs of a synthesized article: title, introduction, remarks, meta texts.

Constant data. Slots: {problem} and {Problem} (sentence start), {stack} (plural), {scenario} (may
end a sentence). ASCII only, because the text export knows nothing else.
"""

from __future__ import annotations

CHECKLIST = "Implementation checklist"
FINAL = "Final notes"

TITLES = (
    "{Problem} in {stack}: a field guide",
    "A working plan for {problem} in {stack}",
    "{Problem} with {stack}, step by step",
    "{Problem} in {stack} without surprises",
    "Notes from {problem} in {stack}",
    "How teams get better at {problem} in {stack}",
    "A calm approach to {problem} in {stack}",
    "{Problem} in {stack}: what to measure and what to keep",
    "The short version: {problem} in {stack}",
    "Lessons from {problem} in {stack}",
    "{Problem} in {stack} {scenario}",
    "First things first: {problem} with {stack}",
    "A reviewer's guide to {problem} in {stack}",
    "{Problem} in {stack}: habits that last",
)

INTRODUCTIONS = (
    "This note is about {problem} in {stack} {scenario}. It lists what to look at first, which "
    "steps are safe to take on their own and how to tell that the work is done.",
    "Teams that run {stack} meet the same question sooner or later: how to go about {problem} "
    "{scenario}. The answer below is a sequence of small steps, each with its own check.",
    "There is no secret to {problem} in {stack}. What helps {scenario} is a baseline, a short "
    "plan and the discipline to change one thing at a time.",
    "The following pages collect what has worked for {problem} in {stack} {scenario}. Take the "
    "parts that fit and leave a note about the ones that did not.",
    "Anyone who looks after {stack} has put off {problem} at least once. Here is a way to start "
    "{scenario}, without stopping all other work.",
    "Some tasks are easy to describe and hard to finish, and {problem} in {stack} is one of them. "
    "This guide shows a plain order of work {scenario}, from the first measurement to the last "
    "entry in the runbook.",
    "Getting good at {problem} in {stack} is a matter of routine more than of talent. The routine "
    "described here works {scenario} and fits on two screens.",
    "Suppose a new colleague asks about {problem} in {stack} {scenario}. This is the answer to "
    "give: what matters, what to try, what to check and what to write down afterwards.",
    "A little preparation makes {problem} in {stack} far less exciting, which is the aim. The "
    "steps are meant to be used {scenario} and can be followed in an afternoon.",
)

#: Stands at the end of section paragraphs 2, 5, 8 ... counted from 0 over all sections.
STACK_REMARK = (
    "For {stack}, one page should name the contact, the proof that it works and the way back."
)

#: Stands at the end of section paragraphs 3, 7, 11 ... counted from 0 over all sections.
HOUSE_REMARK = "Alphanode notes rate one checked step above three hopeful ones."

FINAL_NOTES = (
    "The work on {problem} is finished when somebody else can repeat it without asking. Store the "
    "commands, the numbers and the open questions where the next maintainer of {stack} will look.",
    "Nothing in this note is difficult on its own, and the value lies in doing all of it in "
    "order. Put the date, the result and the next review in the runbook, then move on.",
    "Come back to this page after the next release and correct what turned out to be wrong. Notes "
    "about {stack} age quickly, and a short honest one beats a long one from last year.",
    "If only one thing is kept from this note, let it be the baseline: the number before, the "
    "number after and the command that produced both. Everything else can be worked out again "
    "from there.",
    "Close the task by telling the people who noticed the problem in the first place. They will "
    "check the result more thoroughly than any test, and they deserve to know.",
)

QUOTES = (
    "If it is not written down, it will be decided again.",
    "Measure the ordinary day first, because that is the day you want back.",
    "A limit you chose is a feature, and a limit you discover is an incident.",
    "The best rollback is the one that somebody practised last week.",
    "Make the safe way the short way.",
    "Two equal runs that differ are the first bug to fix.",
    "Every alert is a question, so write down the answer once.",
    "Delete with the same care that you add.",
)

#: Lead sentence and steps of an ordered list.
STEPS = (
    (
        "The order matters more than the tools:",
        (
            "Write down the current behaviour and one number that describes it.",
            "Make the smallest change that could improve the number.",
            "Run the same measurement again on the same machine.",
            "Keep the change or take it back, and record which.",
        ),
    ),
    (
        "For a first attempt, half a day is enough:",
        (
            "Pick one case that a user has complained about.",
            "Reproduce it with a single command.",
            "Fix it in a branch and keep the command as a test.",
            "Ask a colleague to run the command on another machine.",
        ),
    ),
    (
        "When something goes wrong, follow the same sequence every time:",
        (
            "Stop the harm, even if the cause is unknown.",
            "Tell the people who are affected what to expect.",
            "Save logs and data before restarting anything.",
            "Repair, verify and only then look for the root cause.",
        ),
    ),
    (
        "A safe handover needs four things:",
        (
            "A page with the purpose, the owner and the limits.",
            "Access that was tested by the new owner.",
            "One task carried out together and one alone.",
            "A date on which the old owner stops being asked.",
        ),
    ),
)

#: Lead sentence, header and rows of a table.
TABLES = (
    (
        "A small table in the runbook is enough to begin with:",
        ("Signal", "Usual range", "Look closer when"),
        (
            ("response time, 95th percentile", "80 to 250 ms", "above 400 ms for ten minutes"),
            ("failed operations", "below 0.1 %", "above 1 % at any time"),
            ("waiting jobs", "0 to 50", "growing for thirty minutes"),
            ("free disk space", "above 30 %", "below 15 %"),
        ),
    ),
    (
        "It helps to agree beforehand on who does what:",
        ("Step", "Who", "Evidence"),
        (
            ("prepare", "author of the change", "baseline in the ticket"),
            ("review", "second developer", "comments resolved"),
            ("release", "person on duty", "version in the log"),
            ("confirm", "author of the change", "same number, measured again"),
        ),
    ),
    (
        "The options differ mainly in what they cost later:",
        ("Option", "Good at", "Price"),
        (
            ("do nothing", "saving time today", "the same question next month"),
            ("quick fix", "stopping the harm", "a follow-up with a date"),
            ("small redesign", "removing the cause", "two or three careful releases"),
            ("rewrite", "starting clean", "months without new features"),
        ),
    ),
    (
        "Keep the expectations in one place:",
        ("Question", "Answer to look for"),
        (
            ("Is it running?", "one check that fails loudly"),
            ("Is it slow?", "a number with a usual range"),
            ("Is work waiting?", "the age of the oldest item"),
            ("What changed last?", "version and time of the release"),
        ),
    ),
)

SUMMARY = (
    "A machine-drafted note on {problem} in {stack}: what to measure first, which defaults are "
    "safe, how to go back and what to write down."
)
RECOMMENDED_ACTION = "take a baseline, make one small change, keep the numbers"
AI_BRIEF = (
    "A machine drafted this note in the manner of a cautious engineer: it gives the reason for the "
    "change, names the checks and does not promise that a single command settles every case."
)
NOTES = (
    "This text was made by a machine from a seed, so treat every statement as a draft.",
    "The view count is invented by the generator and measures nothing.",
    "A person should review the text before search engines may index it.",
)
GENERATOR = "anp content synthesizer"
