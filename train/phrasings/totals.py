"""Ways to ask for the sum of the numbers in a file that must first be found."""

INTENTS: dict[str, tuple[str, ...]] = {
    "total_of_found": (
        "find the {name} file and add up its numbers",
        "what do the numbers in the file called {name} come to?",
        "Somewhere there is a {name} file with amounts in it. What is their sum?",
        "add the figures in whatever file has {name} in its name",
        "total of the {name} file pls",
        "look for {name} and sum what is in it",
        "I need the total of all the amounts in the file named {name}",
        "how much is it altogether in the {name} file?",
        "locate the file about {name} and tell me what its values add up to",
        "Can you find {name} and work out the sum of its entries?",
        "sum up the file with {name} in the name",
        "which total do the lines of {name} give? you have to find the file first",
    ),
    "total_then_note": (
        "find the {name} file, add up its numbers and save the total as a note",
        "sum the amounts in the file called {name} and note the result",
        "Look up the {name} file, total its figures, then remember the total for me",
        "add up whatever is in the {name} file and keep the sum in my notes",
        "take the file with {name} in its name, add its values together and write the sum in a note",
        "I want a note with the total of the {name} file",
        "work out the sum of the file about {name} and make a note of it",
        "total of {name} please, and note it down. the file is somewhere here",
        "Find {name}, sum its numbers, save that to my notes.",
        "the {name} file has amounts in it: locate it, add them, store the total as a note",
        "please note what the numbers in the {name} file come to",
        "add the entries of the file named {name} and jot the result down",
    ),
}
