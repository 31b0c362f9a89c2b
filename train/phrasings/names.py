"""Pools of names and words to fill phrasings with: files, folders, cities, units, keys, people, words."""

from train.phrasings.messages import MESSAGES
from train.phrasings.stems import MORE_FOLDERS, MORE_KEYS, MORE_STEMS
from train.phrasings.texts import FILE_LINES
from train.phrasings.texts import NOTES as _NOTES
from train.phrasings.words import COMMON

__all__ = [
    "CITIES",
    "EXTENSIONS",
    "FILE_LINES",
    "FILE_STEMS",
    "FIRST_NAMES",
    "FOLDERS",
    "KEYS",
    "NOTES",
    "UNITS",
    "WORDS",
]

_FILE_STEMS = """
budget meeting-notes todo recipe_soup report2023 readme shopping invoice_march letter resume contract
diary ideas plan schedule contacts passwords_hint expenses taxes2024 server config settings error access
main utils test_login app index data sales customers inventory prices orders shipments holiday
packing-list itinerary hotel flights guestlist wedding birthday gifts movies books songs lyrics poem story
chapter1 chapter-two draft_final outline essay thesis summary abstract references bibliography lecture3
homework exam_topics grades timetable vocabulary workout meals diet weight-log symptoms vaccines garden
seeds watering tools repairs car_service mileage insurance rent-agreement landlord utilities electricity
gas_meter water neighbours keys_list wifi router backup deploy release-notes changelog roadmap milestones
bugs feature_requests interview candidates onboarding team_lunch retro standup agenda minutes-april
decisions budget-2025 forecast q3_results survey answers_raw measurements sensor_log weather2022
experiment4 results samples club_members scores training newsletter speech menu cake_recipe bread pancakes
"""
FILE_STEMS: tuple[str, ...] = tuple(dict.fromkeys((*_FILE_STEMS.split(), *MORE_STEMS)))

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

_FOLDERS = """
docs notes src data logs reports archive old backup drafts photos-info projects work home school finance
taxes recipes travel letters scripts tests config configs results exports imports inbox shared clients
invoices 2023 2024 2025 personal club kitchen garden_stuff meeting_minutes my-files
"""
FOLDERS: tuple[str, ...] = tuple(dict.fromkeys((*_FOLDERS.split(), *MORE_FOLDERS)))

_FIRST_NAMES = """
Anna Ben Clara David Emma Felix Grace Hugo Irene Jack Kate Liam Maria Noah Olivia Paul Quentin Rosa Sam
Tina Umar Vera Will Xenia Yusuf Zoe Aisha Boris Carlos Dana Elias Fatima George Hannah Ivan Julia Karim
Lena Marco Nadia Oscar Priya Ravi Sofia Tom Ursula Victor Wendy Ximena Yara Zack Amir Bea Chen Dora Ed
Frida Gus Hana Ines Jonas Kofi Lucy Mei Nils Owen Petra Rob Sara Theo Uma Vik Wanda Alice Bruno Daisy Erik
Fay Glen Holly
"""
FIRST_NAMES: tuple[str, ...] = tuple(_FIRST_NAMES.split())

_KEYS = (
    "port",
    "owner",
    "deadline",
    "budget",
    "password hint",
    "author",
    "version",
    "address",
    "phone number",
    "email",
    "start date",
    "end date",
    "price",
    "total",
    "room",
    "host",
    "timeout",
    "status",
    "manager",
    "customer",
    "invoice number",
    "account",
    "colour",
    "size",
    "weight",
    "city",
    "language",
    "title",
    "license",
    "due date",
    "contact",
    "rent",
    "meeting time",
    "flight number",
    "username",
    "path",
    "level",
    "supplier",
    "quantity",
    "priority",
)
KEYS: tuple[str, ...] = tuple(dict.fromkeys((*_KEYS, *MORE_KEYS)))

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
    ("LA", "America/Los_Angeles"),
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
)

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
    "area": ("square meters", "m2", "square feet", "hectares", "acres", "square kilometers", "square miles"),
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

_WORDS = """
apple river table winter garden bridge candle silver window mountain paper engine bottle market doctor
island letter morning ticket harbour forest pencil jacket kitchen planet guitar blanket castle summer
button carpet dragon feather hammer insect jungle ladder magnet needle orange parrot rabbit saddle temple
umbrella valley whistle yellow zebra anchor basket camera desert elbow farmer glacier helmet idea journal
kettle lemon mirror nature ocean palace quarter ribbon school tunnel uncle village wallet yard almond
bakery cherry drawer eagle flavour ginger honey iron jewel kitten lantern meadow napkin oyster pillow
quilt rocket spider thunder unit violin wagon author banana coffee dinner energy flower grape hotel image
jelly knife lawyer melon number office people queen record season teacher union visitor water account
battery chapter debt evening factor growth habit income joke key lesson member notice owner profit
question result sample target update value weekend address balance contract delivery estimate finance
guide holiday invoice judge kingdom limit manager network order payment quality report service training
user version website agent budget client design error folder goal health input job label model note option
plan query role server task upload vendor warning archive branch cluster deploy export filter gateway host
index kernel library module node output parser queue release schema token upgrade virus widget agree begin
carry decide enjoy finish gather happen invite join keep learn measure notify offer prepare quit repair
select travel unlock visit walk answer borrow clean deliver explain follow greet hurry improve jump knock
listen mend open paint quote reach search teach use vote wait add bake climb dance earn feed grow hide
import juggle kick laugh move need obey push race sail throw understand volunteer whisper yawn ask build
choose drive eat fly give help important bright calm deep early fast gentle heavy idle jolly kind late
modern narrow old plain quiet rapid sharp tall urgent vast warm young ancient brave clever dark empty
fresh green happy icy joyful keen little merry nice odd proud quick rich smooth tidy useful vivid wide
yearly active broken cheap dusty easy famous golden hollow inner joint known large missing neat pink rare
simple tiny usual violet wild local north south east west double single public private final monthly daily
weekly digital electric foreign general hidden internal marble otter cabin fossil lobster mitten nectar
orchid pebble raven sparrow turtle vanilla walnut barley canoe dolphin engineer falcon gravel hazel
inkwell juniper lagoon mustard nurse parcel syrup
"""
WORDS: tuple[str, ...] = tuple(dict.fromkeys((*_WORDS.split(), *COMMON)))

NOTES: tuple[str, ...] = tuple(dict.fromkeys((*_NOTES, *MESSAGES)))
