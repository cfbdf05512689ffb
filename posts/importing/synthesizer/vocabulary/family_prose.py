"""The section paragraphs of a synthesized article that speak about one family of problems.

Constant data, in the form described in `prose`.
"""

from __future__ import annotations

from posts.importing.synthesizer.vocabulary.prose import APPROACH, CHECKS, SECURITY, WHY

#: family -> section -> paragraphs that speak about this family of problems.
FAMILY_PARAGRAPHS: dict[str, dict[str, tuple[str, ...]]] = {
    "testing": {
        WHY: (
            "A test suite is a promise about tomorrow: whatever passes today will be noticed when "
            "it breaks. Once people stop believing the promise they rerun until it is green, and "
            "then the suite costs time without giving any safety.",
        ),
        APPROACH: (
            "List the five things that must work on the worst day and test those first, through "
            "the same entry points that users take. Everything else can wait for the second week.",
            "Give each test its own data and let it create what it needs. Shared fixtures look "
            "economical until two tests disagree about the contents of row seven.",
        ),
        CHECKS: (
            "Break the code on purpose and see which test complains. If none of them does, the "
            "coverage number was only counting lines.",
        ),
    },
    "delivery": {
        WHY: (
            "Releases become dangerous when they are rare. A change that waits for weeks gathers "
            "company, and when something fails nobody can say which of forty commits is to blame.",
        ),
        APPROACH: (
            "Build the artifact once, give it a version and carry the same file through every "
            "environment. Anything that is rebuilt on the way is a different thing from the one "
            "that was tested.",
            "Write the way back before the way forward. When the old version can be started with "
            "one command and the data still fits it, a release stops being an event.",
        ),
        CHECKS: (
            "Compare the list of settings in both environments by machine, names as well as "
            "values. The differences that remain should each have a reason beside them.",
        ),
    },
    "data": {
        WHY: (
            "Code can be deployed again in minutes, but a lost or mangled record may never come "
            "back. That asymmetry is the reason to be slower and more explicit here than anywhere "
            "else.",
        ),
        APPROACH: (
            "Expand first, contract later. Add the new form next to the old one, fill it in "
            "batches, let readers switch over, and remove the old form when nothing has asked for "
            "it in a full month.",
            "Use keys that mean the same thing on every run. A batch that can recognise what it "
            "has already written may be stopped and started as often as necessary.",
        ),
        CHECKS: (
            "Restore last night's backup on a separate machine and answer three questions from "
            "it. A backup that was never read is a hope with a file name.",
        ),
    },
    "performance": {
        WHY: (
            "Waiting is the one defect that every user notices. It is also the one that is most "
            "often blamed on the wrong part, so a profile should come before any opinion.",
        ),
        APPROACH: (
            "Take the profile under a load that resembles a busy hour, with warm and with cold "
            "data. Then look for work that is repeated, work that nobody uses and work that could "
            "be done earlier, in this order.",
            "Set a budget for the number that matters and let the build fail when it is exceeded. "
            "Without a budget each change adds a little, and no change is ever the one to refuse.",
        ),
        CHECKS: (
            "Repeat the measurement at least five times and report the spread. A gain that is "
            "smaller than the difference between two equal runs is not a gain.",
        ),
    },
    "reliability": {
        WHY: (
            "Every dependency will be slow or absent one day. The question is whether that shows "
            "as a short notice to a few people or as a silent pile of lost work.",
        ),
        APPROACH: (
            "Retry only what is safe to repeat, wait longer after each attempt and give up after "
            "a number that was chosen. Endless retries turn a short fault into a long one.",
            "Record the intent before the action and the result after it. Whoever finds an intent "
            "without a result knows exactly where to continue.",
        ),
        CHECKS: (
            "Switch one dependency off during working hours, with everyone informed. What the "
            "team learns in that half hour cannot be read from any diagram.",
        ),
    },
    "security": {
        WHY: (
            "Attackers look for the forgotten corner: the old endpoint, the default password, the "
            "upload form of a past campaign. A complete and boring inventory is worth more than a "
            "clever filter.",
        ),
        APPROACH: (
            "Write down who may do what as a table before writing any rule in code. A reader can "
            "spot a wrong cell in seconds, while a wrong condition may stay hidden for years.",
            "Refuse by default and say why. An explicit list of what is allowed grows with the "
            "product, and a list of what is forbidden is always one entry behind.",
        ),
        SECURITY: (
            "Try the forbidden thing yourself: an expired token, a file with the wrong type, the "
            "address of another customer's record. Keep each attempt as a test.",
        ),
    },
    "interfaces": {
        WHY: (
            "Once others build on an interface, its accidents become features. The order of a "
            "list, the wording of an error or an empty string instead of nothing may all be "
            "relied on by someone who never told you.",
        ),
        APPROACH: (
            "Add, announce, wait, remove. Each of the four steps is harmless on its own, and the "
            "waiting can be measured by counting who still uses the old form.",
            "Describe the interface in a file that a machine can read, and test the "
            "implementation against it. Documentation that can fail a build stays true.",
        ),
        CHECKS: (
            "Replay a day of recorded requests against the new version and compare the answers "
            "field by field. Every difference is either a line in the release note or a bug.",
        ),
    },
    "upkeep": {
        WHY: (
            "Code is read far more often than it is written, mostly by people with another task "
            "in mind. Each unclear name or outdated page takes a minute from every one of them.",
        ),
        APPROACH: (
            "Improve the page or the module you had to open anyway, and stop there. A tidy-up "
            "that follows the daily work never needs a budget and never conflicts with it.",
            "Separate moving from changing. A commit that only renames can be reviewed at a "
            "glance, and the one that alters behaviour stays small enough to be understood.",
        ),
        CHECKS: (
            "Hand the result to the newest member of the team and watch in silence. The places "
            "where that person stops are the list of what to fix next.",
        ),
    },
}
