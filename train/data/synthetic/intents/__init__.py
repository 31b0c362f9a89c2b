"""The intents: one function each, registered by `@intent`.

To add intents over other tools, write a module with decorated functions and append its name to `MODULES`.
"""

from importlib import import_module

from train.data.synthetic.script import INTENTS

__all__ = ["INTENTS", "MODULES"]

MODULES = (
    *("dates.clock", "dates.days", "dates.calendar", "computer"),
    *("files.finding", "files.reading", "files.contents", "multi_step.amounts", "files.lookup"),
    *("question_answering.statements", "question_answering.in_folders", "question_answering.sections"),
    *("files.composing", "files.writing", "notes"),
    *("question_answering.unnamed_files", "question_answering.tables", "question_answering.quantities"),
    *("question_answering.notes", "multi_step.results", "multi_step.statements"),
    *("arithmetic.operations", "arithmetic.number_words", "arithmetic.purchases", "arithmetic.formulas"),
    *("arithmetic.word_problems", "arithmetic.stories", "arithmetic.measures", "units"),
    *("no_call.missing_arguments", "no_call.partly_impossible", "no_call.told"),
    *("dates.events", "two_requests", "arithmetic.several_operations", "no_call.missing_several"),
    *("multi_step.calculations", "multi_step.listed_dates", "multi_step.saved_answers"),
    *("question_answering.disambiguation", "question_answering.described", "files.logs", "files.editing"),
    *("multi_step.chains", "no_call.missing_subject", "multi_step.comparisons"),
)
"""Imported in this order, which is the order of the registry: another order draws other rows for a seed."""

for _name in MODULES:
    import_module(f"{__name__}.{_name}")
