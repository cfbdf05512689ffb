"""The section paragraphs of a synthesized article that fit any problem.

Constant data. Slots: {problem} and {Problem} (sentence start), {stack} (plural), {tool} (inside
backticks). ASCII only, because the text export knows nothing else.
"""

from __future__ import annotations

WHY = "Why this matters"
APPROACH = "The practical approach"
CHECKS = "Production checks"
SECURITY = "Security and maintenance notes"

#: Most paragraphs of a section; a section is filled up before the next one starts.
SECTION_SIZES = {WHY: 3, APPROACH: 4, CHECKS: 4, SECURITY: 4}

SECTION_ORDERS = (
    (WHY, APPROACH, CHECKS, SECURITY),
    (WHY, APPROACH, SECURITY, CHECKS),
    (WHY, CHECKS, APPROACH, SECURITY),
    (APPROACH, CHECKS, SECURITY, WHY),
    (CHECKS, SECURITY, APPROACH, WHY),
    (SECURITY, CHECKS, APPROACH, WHY),
)

#: section -> paragraphs for every kind of stack.
PARAGRAPHS: dict[str, tuple[str, ...]] = {
    WHY: (
        "Most of the cost of {problem} is paid by people who were not in the room when the first "
        "version was written. A page of honest notes, kept next to the code, saves them the "
        "archaeology.",
        "Trouble rarely announces itself. It shows up as a support message, a graph that bends "
        "slightly or a task that takes a minute longer than it did last month. Noticing it at "
        "that stage is far cheaper than explaining it later.",
        "Nobody plans to neglect {problem}. It slips because each single shortcut looks harmless "
        "on the day it is taken. Writing the shortcuts down in one list makes the sum visible.",
        "A team that can describe its normal day in numbers notices an abnormal one early. Pick "
        "three figures that matter to {stack}, write down their usual range and agree on who "
        "looks at them.",
        "The work pays back most where the same question is asked again and again. If two people "
        "needed the answer this month, the third should find it in writing.",
        "Users do not see the architecture. They see a screen that opens, a file that arrives or "
        "a button that does what it says, and they remember the day when it did not. That is the "
        "yardstick for everything that follows.",
        "{Problem} sounds like a detail until a deadline depends on it. Then the missing hour of "
        "preparation turns into a long evening for several people.",
        "Old assumptions are expensive because they look like facts. List the ones that {stack} "
        "depend on, and ask of each one when it was last checked and what would break if it were "
        "wrong.",
        "There is a quiet benefit as well: clear routines make it easier to hand work over. A "
        "colleague who returns from leave should need ten minutes, not a morning, to see where "
        "things stand.",
        "Small systems get away with habits that large ones punish. What a single developer kept "
        "in mind has to be written down, measured or automated before the tenth developer joins.",
        "It helps to name the risk in one plain sentence. For example: if this step fails at "
        "night, orders are kept but confirmations are late. A sentence like that tells everybody "
        "how much care is enough.",
        "Every hour spent on {problem} competes with features, so say what it buys. Fewer "
        "interrupted weekends, shorter reviews and fewer special cases are arguments that a "
        "product manager understands.",
        "Good defaults protect the reader who is in a hurry. If the safe way is also the shortest "
        "way to type, most people will take it without being told.",
        "An outage that was understood is worth more than a month without one. Keep the "
        "timeline, the wrong guesses and the fix together, because the wrong guesses are what "
        "the next person will try first.",
        "Complexity tends to gather at the seams: between two teams, two components or two "
        "releases. This topic sits on such a seam, which is why it deserves a named owner.",
        "Start from what people actually do with {stack}. Ten minutes with real logs or support "
        "messages often move the problem from the place where it was suspected to the place where "
        "it is.",
        "A change without a reason attached will be undone by somebody with good intentions. "
        "Record the reason next to the setting, not in a chat that nobody can search.",
    ),
    APPROACH: (
        "Begin with the smallest version that could be useful and put it in front of one real "
        "user. Whatever survives that meeting is worth building properly.",
        "Write the check before the change. If the check passes on the old version already, it "
        "does not test the thing that matters.",
        "Work on one path from end to end instead of one layer at a time. A single case that is "
        "finished teaches more about {stack} than five parts that are half built.",
        "Keep configuration in one place and give every value a unit. A setting called "
        "`timeout_seconds` answers a question that `timeout` only raises.",
        "Prefer a boring tool that the team already runs. If `{tool}` covers the case, its limits "
        "are at least known, and nobody has to learn a second way of being surprised.",
        "Split the work so that each step can be released on its own. If a step is only safe "
        "together with the next one, the two are one step.",
        "Make the dangerous action explicit. A command that deletes, overwrites or sends should "
        "show what it is about to do, and a dry run should be one option away.",
        "Give every long-running task a place where it records how far it got. After a crash it "
        "can continue from there, and until then the record tells whether it is stuck.",
        "Name the states a record can be in and draw the allowed moves between them. Most "
        "surprising bugs turn out to be a move that nobody meant to allow.",
        "Choose limits on purpose: the largest file, the longest list, the slowest call. A limit "
        "that was chosen can be explained, tested and raised, while a missing one is found by "
        "accident.",
        "Let the code read like the procedure it automates. Three plain functions with verbs for "
        "names beat one flexible function with six switches.",
        "Take a slice of real data with personal details removed, and try the change against it. "
        "Invented examples are always tidier than the ones that arrive on a Monday morning.",
        "Decide early what happens when a dependency is missing. Failing at once with a clear "
        "message is often kinder than limping on with half of the features.",
        "Put the common commands behind short names, for instance `make check` and `make "
        "release`. New colleagues then use the same steps as everybody else, and the steps can "
        "be improved in one place.",
        "Pin the version of `{tool}` and upgrade it as a change of its own. Mixed upgrades hide "
        "which part caused the difference.",
        "Treat the first run as an experiment. Write down the expected result, run it on a small "
        "share of the work, compare, and only then widen the share.",
        "When two designs look equally good, take the one that is easier to remove. Requirements "
        "for {stack} will change, and a part that leaves no traces is a cheap mistake.",
        "Handle errors where something useful can be done about them. Catching an exception only "
        "to log it and carry on moves the failure to a place where it is harder to understand.",
    ),
    CHECKS: (
        "Before the release, run the exact command that production will run, with the same user "
        "and the same environment. A rehearsal on other terms says something about the rehearsal "
        "only.",
        "Watch one figure for speed, one for errors and one for waiting work. If all three stay "
        "in their usual range for an hour, the change has probably landed well.",
        "Look at the slowest one percent as well as at the average. Averages hide the users who "
        "wait longest, and those are the ones who write in.",
        "Stop the process in the middle of its work and start it again. The second start should "
        "finish the job without doubling a message, a record or a payment.",
        "Compare counts, sizes or totals before and after. Two numbers in the release note catch "
        "more mistakes than a long description.",
        "Try the change with no data at all and with a great deal of it. The empty case finds "
        "missing messages, the large one finds missing limits.",
        "Fill a disk, cut a connection and let a certificate expire in a test environment. Each "
        "of these will happen sooner or later, and it is better to know the error message "
        "beforehand.",
        "Read the log of a successful run once from top to bottom. It should tell what was done, "
        "how much of it and how long it took, in lines that a plain text search can find again.",
        "Let somebody who did not write the change follow the runbook. Every question that person "
        "asks is a line that is missing.",
        "Keep the previous version ready until the new one has seen a full working day. Nightly "
        "jobs, reports and digests are part of that day.",
        "Confirm that the clock, the time zone and the locale are set on purpose. A job planned "
        "for half past two at night runs twice or never on two nights of the year.",
        "Test with the oldest client that is still supported. New clients forgive a lot that old "
        "ones do not.",
        "Record the version of `{tool}` that was in use when the check passed. Without it, a "
        "check that fails next month cannot tell a new bug from a new tool.",
        "Look at what the change costs while nothing happens. Idle connections, polling loops and "
        "open files rarely show in a demonstration, but they are there all night.",
        "Ask for the same thing twice at the same moment. Two clicks, two workers or two retries "
        "are normal in production, and the result should be the same as for one.",
        "Write down the one observation that would make you revert, before you release. It is "
        "hard to be honest about it afterwards, when everyone wants the change to have worked.",
    ),
    SECURITY: (
        "Give {stack} the permissions they use and nothing else. Start with none, add what the "
        "error messages ask for and write down why each one was needed.",
        "Keep secrets out of the repository, out of the logs and out of screenshots. Rotate one "
        "of them on an ordinary weekday to prove that it can be done without an interruption.",
        "Treat every value that comes from outside as text from a stranger, also when it comes "
        "from your own client. Check its length, its type and its range before it reaches "
        "anything that can be harmed.",
        "Update dependencies on a fixed day instead of on the day of an advisory. A team that "
        "upgrades `{tool}` every month can do it calmly in an emergency.",
        "Review who can reach the administration tools, and remove the accounts nobody can name. "
        "Shared logins make the log useless exactly when it is needed.",
        "Put an expiry date on exceptions. A temporary rule without a date is a permanent rule "
        "with a misleading name.",
        "Store as little personal data as the feature allows, and decide on the day of collection "
        "when it will be deleted. What is not kept cannot leak.",
        "Delete code that is no longer called, together with its settings, its tests and its page "
        "in the manual. Version control remembers it, so the people who read the system need not.",
        "Back up the configuration along with the data. Restored records are of little use if "
        "nobody remembers how the system around them was set up.",
        "Put the contact, the maintenance window and the date of the last successful restore at "
        "the top of the runbook. These are the lines people look for when they are in a hurry.",
        "Record decisions that matter to security, such as a refused login or a changed role, in "
        "a form that can be counted. Keep the reason and leave out the password, token or "
        "document.",
        "Plan for the day the author leaves. If only one person can release changes to {stack}, "
        "teaching a second one is the most urgent maintenance task on the list.",
        "Read the changelog before an upgrade and note the two or three entries that concern this "
        "system. A link to those lines in the commit message spares the next reader the search.",
        "Go through the open warnings once a quarter and fix, accept in writing or silence each "
        "of them. A wall of warnings hides the new one that matters.",
        "Check that the licence of every bundled part is known and allowed. It takes ten minutes "
        "with a generated list and a painful week without one.",
        "Keep one page that names each scheduled job, its owner and what happens when it does not "
        "run. Jobs without an owner tend to fail quietly for months.",
        "Sign what you release, or at least publish its checksum. Whoever installs it then knows "
        "that it is the file that was tested, and so do you.",
    ),
}

#: section -> further paragraphs for stacks that answer requests over a network.
ONLINE_PARAGRAPHS: dict[str, tuple[str, ...]] = {
    WHY: (
        "Traffic grows in steps, not in a smooth line. A mention in a newsletter or a new crawler "
        "can double the load within minutes, and the time to prepare for that is a quiet week.",
    ),
    APPROACH: (
        "Separate what is the same for every visitor from what is personal. The first part can be "
        "stored, compressed and served early, and the second part becomes small enough to inspect.",
    ),
    CHECKS: (
        "Verify that a stored response is the right one for the person who gets it. Sign in as "
        "two different users, ask for the same address and compare the answers.",
        "Request a page that does not exist, one that has moved and one that is forbidden. The "
        "three answers should differ in status and in wording, and none of them should be slow.",
    ),
    SECURITY: (
        "Make the encrypted connection, the strict cookie and the narrow content policy the "
        "default. An exception then has to be written down, which keeps the list of them short.",
        "Limit how often an expensive action can be requested. A polite refusal that says when to "
        "come back protects honest users from careless scripts.",
    ),
}
