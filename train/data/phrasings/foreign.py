"""Foreign tools, which are not built in: specifications, simulated observations, and answers."""

from typing import Any

FOREIGN: tuple[dict[str, Any], ...] = (
    {
        "name": "get_weather",
        "description": "Current weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "intent": "get_weather",
        "observation": (
            "{number} degrees, {word}",
            "{city}: {word} sky, {number} C",
            "light rain, {number} C",
            "sunny, wind {number} km/h",
        ),
        "answers": ("The weather in {city}: {result}.", "In {city} it is now: {result}."),
    },
    {
        "name": "translate_text",
        "description": "Translate a text into another language.",
        "parameters": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "language": {"type": "string"}},
            "required": ["text", "language"],
        },
        "intent": "translate_text",
        "observation": ("{word}a", "el {word}o", "{word}en {word}", "la {word}ina"),
        "answers": ("In {language}, '{text}' is: {result}.", "That is '{result}' in {language}."),
    },
    {
        "name": "get_stock_price",
        "description": "Latest price of a share.",
        "parameters": {
            "type": "object",
            "properties": {"symbol": {"type": "string", "description": "ticker symbol"}},
            "required": ["symbol"],
        },
        "intent": "get_stock_price",
        "observation": ("{number} USD", "{symbol} {number}", "last trade {number} USD", "{number} EUR"),
        "answers": ("{symbol} stands at {result}.", "The latest price for {symbol}: {result}."),
    },
    {
        "name": "send_message",
        "description": "Send a text message to a person.",
        "parameters": {
            "type": "object",
            "properties": {"person": {"type": "string"}, "text": {"type": "string"}},
            "required": ["person", "text"],
        },
        "intent": "send_message",
        "observation": ("sent", "sent to {person}", "delivered, message {number}", "queued for {person}"),
        "answers": ("Your message to {person}: {result}.", "I messaged {person} ({result})."),
    },
    {
        "name": "set_timer",
        "description": "Start a countdown timer.",
        "parameters": {
            "type": "object",
            "properties": {"minutes": {"type": "number"}},
            "required": ["minutes"],
        },
        "intent": "set_timer",
        "observation": (
            "timer {number} started",
            "running, {minutes} min left",
            "ok",
            "timer set for {minutes} minutes",
        ),
        "answers": (
            "The timer for {minutes} minutes is set: {result}.",
            "I started a timer of {minutes} minutes ({result}).",
        ),
    },
    {
        "name": "define_word",
        "description": "Dictionary definition of an English word.",
        "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
        "intent": "define_word",
        "observation": (
            "a kind of tool used at home",
            "{word}: something small and of little value",
            "to move slowly and with care",
            "having a bright or pleasant look",
        ),
        "answers": ("The word {word} means: {result}.", "Definition of {word}: {result}."),
    },
    {
        "name": "get_route",
        "description": "Driving route between two places.",
        "parameters": {
            "type": "object",
            "properties": {"start": {"type": "string"}, "goal": {"type": "string"}},
            "required": ["start", "goal"],
        },
        "intent": "get_route",
        "observation": (
            "{number} km by the motorway",
            "take the A{number}, then the coast road",
            "{number} minutes through the {word} tunnel",
            "{start} - {word} bridge - {goal}, {number} km",
        ),
        "answers": ("From {start} to {goal}: {result}.", "The route from {start} to {goal} is: {result}."),
    },
    {
        "name": "book_table",
        "description": "Reserve a table at a restaurant.",
        "parameters": {
            "type": "object",
            "properties": {"restaurant": {"type": "string"}, "people": {"type": "integer"}},
            "required": ["restaurant", "people"],
        },
        "intent": "book_table",
        "observation": (
            "booked, table {number}",
            "confirmed for {people}",
            "reservation code {word}{number}",
            "on the waiting list, place {number}",
        ),
        "answers": (
            "Your table at {restaurant} for {people}: {result}.",
            "I asked {restaurant} for a table for {people}: {result}.",
        ),
    },
    {
        "name": "play_song",
        "description": "Play a song on the speakers.",
        "parameters": {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]},
        "intent": "play_song",
        "observation": (
            "playing",
            "now playing {title}",
            "playing on {word} speaker",
            "queued at place {number}",
        ),
        "answers": ("{title}: {result}.", "I put on {title} ({result})."),
    },
    {
        "name": "convert_currency",
        "description": "Convert an amount of money at today's exchange rate.",
        "parameters": {
            "type": "object",
            "properties": {
                "amount": {"type": "number"},
                "from_currency": {"type": "string"},
                "to_currency": {"type": "string"},
            },
            "required": ["amount", "from_currency", "to_currency"],
        },
        "intent": "convert_currency",
        "observation": (
            "{number} {to_currency}",
            "{number}",
            "about {number} {to_currency}",
            "{number} {to_currency} after fees",
        ),
        "answers": (
            "{amount} {from_currency} in {to_currency}: {result}.",
            "For {amount} {from_currency} you get {result}.",
        ),
    },
    {
        "name": "delete_file",
        "description": "Delete a file for good.",
        "parameters": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        "intent": "delete_file",
        "observation": (
            "deleted",
            "deleted {path}",
            "removed, {number} bytes freed",
            "moved to the bin",
        ),
        "answers": ("{path}: {result}.", "I took care of {path}: {result}."),
    },
    {
        "name": "github_stars",
        "description": "Number of stars of a GitHub repository.",
        "parameters": {
            "type": "object",
            "properties": {"repository": {"type": "string", "description": "owner/name"}},
            "required": ["repository"],
        },
        "intent": "github_stars",
        "observation": ("{number}", "{number} stars", "{repository} {number}", "stars: {number}"),
        "answers": ("{repository} on GitHub: {result}.", "The star count of {repository}: {result}."),
    },
)
