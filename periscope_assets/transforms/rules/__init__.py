"""Rules about quotes, each with an id, a version, a severity and a sentence with the numbers.

What belongs here: which rows a rule finds, over whole columns (``identity``, ``figures``, ``repeated``,
``market``), and the order in which they are asked (``judge``). What does not: tables, vendor formats,
anything that needs a fitted forward or vol.

A rule of severity *quarantine* says that the row can't be trusted; one of severity *flag* that it is a true
quote of the market with a property that a reader should know. A zero bid is such a quote, a crossed one is
not.
"""

from periscope_assets.transforms.rules.facts import Context, Facts
from periscope_assets.transforms.rules.judge import FLAGS, REASONS, RULES, VERSION, Verdict, judge
from periscope_assets.transforms.rules.rule import Rule, Severity

__all__ = [
    "FLAGS",
    "REASONS",
    "RULES",
    "VERSION",
    "Context",
    "Facts",
    "Rule",
    "Severity",
    "Verdict",
    "judge",
]
