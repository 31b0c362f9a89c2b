"""Values of the slots of phrasings: files, folders, cities, units, keys, people, words."""

from train.data.phrasings import lines, words

FILE_LINES = lines("pools/file_lines.txt")
NOTES = lines("pools/notes.txt")
KEYS = lines("pools/keys.txt")
ITEMS = lines("pools/items.txt")
PLURALS = words("pools/plurals.txt")
"""Things that are counted or bought by the piece."""
COUNTED = lines("pools/counted.txt")
"""What a number of things is about, and the thing in the singular and the plural."""
EVENTS = lines("pools/events.txt")
"""What has a date in a list of dates."""
DUTIES = lines("pools/duties.txt")
"""What somebody looks after."""
LOG_MESSAGES = lines("pools/log_messages.txt")
ORDERS = words("pools/orders.txt")
"""Verbs that begin an order."""
HOSTILE = lines("pools/hostile.txt")
"""Lines of files that try to give orders to a model."""
ODD_STEMS = lines("pools/odd_stems.txt")
"""File names without extensions that have spaces, accents, or letters of other scripts."""
ODD_FOLDERS = lines("pools/odd_folders.txt")
FILE_STEMS = words("pools/file_stems.txt")
FOLDERS = words("pools/folders.txt")
FIRST_NAMES = words("pools/first_names.txt")
WORDS = words("pools/words.txt")

EXTENSIONS: tuple[str, ...] = (
    "txt",
    "md",
    "csv",
    "log",
    "json",
    "py",
    "ini",
    "yaml",
    "toml",
    "html",
    "cfg",
    "rst",
)

TOWNS: tuple[tuple[str, str], ...] = tuple(
    (place, zone) for place, _, zone in (line.partition("=") for line in lines("pools/towns.txt"))
)
"""Places that `current_time` does not know by name, and their time zones."""
CITIES: tuple[tuple[str, str], ...] = (
    ("Tokyo", "Asia/Tokyo"),
    ("tokyo", "Asia/Tokyo"),
    ("London", "Europe/London"),
    ("london", "Europe/London"),
    ("Paris", "Europe/Paris"),
    ("paris", "Europe/Paris"),
    ("Berlin", "Europe/Berlin"),
    ("berlin", "Europe/Berlin"),
    ("Madrid", "Europe/Madrid"),
    ("Rome", "Europe/Rome"),
    ("rome", "Europe/Rome"),
    ("Vienna", "Europe/Vienna"),
    ("Zurich", "Europe/Zurich"),
    ("Amsterdam", "Europe/Amsterdam"),
    ("amsterdam", "Europe/Amsterdam"),
    ("Brussels", "Europe/Brussels"),
    ("Lisbon", "Europe/Lisbon"),
    ("Dublin", "Europe/Dublin"),
    ("dublin", "Europe/Dublin"),
    ("Oslo", "Europe/Oslo"),
    ("Stockholm", "Europe/Stockholm"),
    ("Copenhagen", "Europe/Copenhagen"),
    ("Helsinki", "Europe/Helsinki"),
    ("Warsaw", "Europe/Warsaw"),
    ("Prague", "Europe/Prague"),
    ("Budapest", "Europe/Budapest"),
    ("Athens", "Europe/Athens"),
    ("athens", "Europe/Athens"),
    ("Istanbul", "Europe/Istanbul"),
    ("istanbul", "Europe/Istanbul"),
    ("Moscow", "Europe/Moscow"),
    ("Kyiv", "Europe/Kyiv"),
    ("Bucharest", "Europe/Bucharest"),
    ("Sofia", "Europe/Sofia"),
    ("New York", "America/New_York"),
    ("new york", "America/New_York"),
    ("NYC", "America/New_York"),
    ("Chicago", "America/Chicago"),
    ("chicago", "America/Chicago"),
    ("Denver", "America/Denver"),
    ("Los Angeles", "America/Los_Angeles"),
    ("los angeles", "America/Los_Angeles"),
    ("Phoenix", "America/Phoenix"),
    ("Toronto", "America/Toronto"),
    ("Vancouver", "America/Vancouver"),
    ("Mexico City", "America/Mexico_City"),
    ("Sao Paulo", "America/Sao_Paulo"),
    ("Buenos Aires", "America/Argentina/Buenos_Aires"),
    ("Lima", "America/Lima"),
    ("Bogota", "America/Bogota"),
    ("Santiago", "America/Santiago"),
    ("Havana", "America/Havana"),
    ("Honolulu", "Pacific/Honolulu"),
    ("Sydney", "Australia/Sydney"),
    ("sydney", "Australia/Sydney"),
    ("Melbourne", "Australia/Melbourne"),
    ("Perth", "Australia/Perth"),
    ("Auckland", "Pacific/Auckland"),
    ("Singapore", "Asia/Singapore"),
    ("singapore", "Asia/Singapore"),
    ("Hong Kong", "Asia/Hong_Kong"),
    ("Shanghai", "Asia/Shanghai"),
    ("Seoul", "Asia/Seoul"),
    ("seoul", "Asia/Seoul"),
    ("Bangkok", "Asia/Bangkok"),
    ("Jakarta", "Asia/Jakarta"),
    ("Manila", "Asia/Manila"),
    ("Dubai", "Asia/Dubai"),
    ("dubai", "Asia/Dubai"),
    ("Tehran", "Asia/Tehran"),
    ("Karachi", "Asia/Karachi"),
    ("Kathmandu", "Asia/Kathmandu"),
    ("Dhaka", "Asia/Dhaka"),
    ("Jerusalem", "Asia/Jerusalem"),
    ("Cairo", "Africa/Cairo"),
    ("cairo", "Africa/Cairo"),
    ("Lagos", "Africa/Lagos"),
    ("Nairobi", "Africa/Nairobi"),
    ("Johannesburg", "Africa/Johannesburg"),
    ("Casablanca", "Africa/Casablanca"),
    ("Accra", "Africa/Accra"),
    ("Cape Town", "Africa/Johannesburg"),
    ("cape town", "Africa/Johannesburg"),
    ("Mumbai", "Asia/Kolkata"),
    ("Delhi", "Asia/Kolkata"),
    ("Beijing", "Asia/Shanghai"),
    ("Osaka", "Asia/Tokyo"),
    ("Hanoi", "Asia/Ho_Chi_Minh"),
    ("Boston", "America/New_York"),
    ("Miami", "America/New_York"),
    ("San Francisco", "America/Los_Angeles"),
    ("seattle", "America/Los_Angeles"),
    ("Montreal", "America/Toronto"),
    ("Barcelona", "Europe/Madrid"),
    ("Milan", "Europe/Rome"),
    ("Munich", "Europe/Berlin"),
    ("Geneva", "Europe/Zurich"),
    ("Edinburgh", "Europe/London"),
    *(
        ("Taipei", "Asia/Taipei"),
        ("Riyadh", "Asia/Riyadh"),
        ("Beirut", "Asia/Beirut"),
        ("Kabul", "Asia/Kabul"),
    ),
    *(("Baghdad", "Asia/Baghdad"), ("Colombo", "Asia/Colombo"), ("Yangon", "Asia/Yangon")),
    *(("Saigon", "Asia/Saigon"), ("Kuala Lumpur", "Asia/Kuala_Lumpur"), ("Ulaanbaatar", "Asia/Ulaanbaatar")),
    *(("Tashkent", "Asia/Tashkent"), ("Baku", "Asia/Baku"), ("Tbilisi", "Asia/Tbilisi")),
    *(("Algiers", "Africa/Algiers"), ("Tunis", "Africa/Tunis"), ("Khartoum", "Africa/Khartoum")),
    *(("Addis Ababa", "Africa/Addis_Ababa"), ("Dar es Salaam", "Africa/Dar_es_Salaam")),
    *(("Harare", "Africa/Harare"), ("Lusaka", "Africa/Lusaka"), ("Kigali", "Africa/Kigali")),
    *(("Kampala", "Africa/Kampala"), ("Dakar", "Africa/Dakar"), ("Reykjavik", "Atlantic/Reykjavik")),
    *(("Tallinn", "Europe/Tallinn"), ("Riga", "Europe/Riga"), ("Vilnius", "Europe/Vilnius")),
    *(("Belgrade", "Europe/Belgrade"), ("Zagreb", "Europe/Zagreb"), ("Sarajevo", "Europe/Sarajevo")),
    *(("Bratislava", "Europe/Bratislava"), ("Ljubljana", "Europe/Ljubljana"), ("Monaco", "Europe/Monaco")),
    *(("Caracas", "America/Caracas"), ("La Paz", "America/La_Paz"), ("Montevideo", "America/Montevideo")),
    *(("Detroit", "America/Detroit"), ("Anchorage", "America/Anchorage"), ("Halifax", "America/Halifax")),
    *(("Winnipeg", "America/Winnipeg"), ("Adelaide", "Australia/Adelaide"), ("Hobart", "Australia/Hobart")),
    *(
        ("Brisbane", "Australia/Brisbane"),
        ("Darwin", "Australia/Darwin"),
        ("S\u00e3o Paulo", "America/Sao_Paulo"),
    ),
    *(
        ("Z\u00fcrich", "Europe/Zurich"),
        ("kuala lumpur", "Asia/Kuala_Lumpur"),
        ("reykjavik", "Atlantic/Reykjavik"),
    ),
)

COUNTRIES = lines("pools/countries.txt")
"""Countries and states that `current_time` knows by name."""

UNITS: dict[str, tuple[str, ...]] = {
    "length": (
        *("km", "kilometers", "kilometres", "m", "meters", "metres", "cm", "centimeters", "centimetres"),
        *("mm", "millimeters", "miles", "mi", "feet", "ft", "inches", "in", "yards", "yd", "nautical miles"),
    ),
    "mass": (
        *(
            "kg",
            "kilograms",
            "kilos",
            "g",
            "grams",
            "mg",
            "milligrams",
            "pounds",
            "lb",
            "lbs",
            "ounces",
            "oz",
        ),
        *("stone", "tonnes"),
    ),
    "volume": (
        *("l", "liters", "litres", "ml", "milliliters", "millilitres", "cl", "gallons", "pints", "quarts"),
        *("cups", "tablespoons", "tbsp", "teaspoons", "tsp", "fluid ounces"),
    ),
    "time": ("seconds", "s", "minutes", "min", "hours", "h", "days", "weeks", "milliseconds", "ms", "years"),
    "speed": ("km/h", "kph", "mph", "m/s", "knots", "miles per hour", "kilometers per hour"),
    "area": (
        *("square meters", "square metres", "sqm", "m2", "square feet", "sq ft", "sqft", "hectares", "acres"),
        *("square kilometers", "square kilometres", "square miles", "square yards"),
    ),
    "data": (
        *("bytes", "kB", "kilobytes", "MB", "megabytes", "GB", "gigabytes", "TB", "terabytes", "KiB", "MiB"),
        *("GiB", "bits"),
    ),
    "temperature": ("celsius", "fahrenheit", "kelvin", "Celsius", "Fahrenheit", "Kelvin", "C", "F", "K"),
    "energy": ("joules", "J", "kilojoules", "kJ", "calories", "kcal", "kWh", "Wh"),
    "pressure": ("bar", "psi", "pascals", "kPa", "hPa", "atm"),
    "power": ("watts", "W", "kilowatts", "kW", "horsepower", "hp"),
    "angle": ("degrees", "deg", "radians", "rad"),
}
