"""Pools of short texts: what people put into notes, and single lines as they stand in text files."""

NOTES: tuple[str, ...] = tuple(
    line.strip()
    for line in """
    call the dentist on friday
    the wifi code is 4417
    buy milk and eggs
    Anna's birthday is on 12 May
    the spare key is under the flowerpot
    pay the rent before the first
    car needs an oil change
    locker number 88
    book a table for Saturday
    return the library books
    the plumber comes tuesday at nine
    my shoe size is 42
    water the plants twice a week
    passport expires in March
    ask Tom about the invoice
    parking spot is B17
    the garage door code is 2090
    send the contract to Maria
    dog food is running low
    flight leaves at 6:45
    meeting moved to Thursday
    the printer is called HP-Attic
    allergic to penicillin
    pick up the dry cleaning
    Ben owes me 20 euros
    the good bakery closes at two
    renew the gym membership
    gas meter reads 30418
    project demo is next Wednesday
    the boiler was serviced in October
    lend Clara the ladder
    order number 55810
    cancel the trial before sunday
    my blood type is O negative
    grandma likes lilies
    the cat's vet is Dr. Hale
    change the smoke alarm battery
    backup runs every night at three
    the recipe needs more garlic
    bin day is monday
    try the noodle place on Elm Street
    staging server is on port 8081
    write to the tax office
    school starts at ten past eight
    the kids want pizza on friday
    bring cake to the office
    guest wifi is called bluebird
    read the chapter about whales
    Sam prefers tea
    insurance number 7719-20
    the train goes from platform 4
    clean the gutters this weekend
    Noah is allergic to nuts
    buy stamps
    the concert is sold out
    ask for a receipt
    tyre pressure should be 2.4 bar
    finish the slides tonight
    the red folder holds the originals
    landlord is away until June
    paint colour was Misty Grey
    call mum
    dinner with Lena at seven
    the alarm code changed to 6153
    pack the charger
    Liam's desk is by the window
    water bill came to 38.20
    vaccination on the 9th
    dentist bill still unpaid
    the new intern starts monday
    use the blue detergent for wool
    club meets on the last Thursday
    order more printer paper
    cinema tickets are in the drawer
    hotel room is 512
    prune the roses in February
    the bike lock opens with 3391
    send flowers to Rosa
    half a tank left in the car
    report is due at noon
    trash bags are nearly gone
    the password hint is first pet
    talk to Oscar about holidays
    chess club moved to room 9
    eat less sugar
    the heating engineer is Mr. Low
    wash the curtains
    keep the receipt for the toaster
    bus 14 goes to the clinic
    Priya has the projector
    soup recipe is from aunt Dora
    my seat is 23A
    drop the parcel at the kiosk
    renew the domain in August
    buy a card for Theo
    the sofa is 210 cm long
    fix the dripping tap
    ask about the warranty
    new glasses are ready
    eggs are cheaper at the market
    our table number is 6
    the beach house key has a green tag
    phone the bank about the card
    run five kilometres on sunday
    the deposit was 900
    sign the school form
    use port 5433 for the test database
    Jonas is back on the 20th
    plant the tulips before frost
    the shop is closed on Mondays
    take vitamins after breakfast
    conference badge is in my coat
    Irene takes over support in May
    check the attic for moths
    the meeting room seats twelve
    ticket price went up to 15
    give Felix his jacket back
    the old laptop is in the cupboard
    get new hiking boots
    bake bread on saturday morning
    the roof was fixed last spring
    call the electrician again
    exam is in hall C
    the neighbour feeds the cat
    favourite pen is the black one
    charge the camera
    Kofi sings on the 3rd
    milk goes off tomorrow
    sell the old bike
    the swimming pool opens at six
    coffee machine needs descaling
    ask Vera for the photos
    museum is free on first Sundays
    replace the hallway bulb
    my library card is 100732
    the choir needs two more tenors
    budget meeting is at half past two
    put the tent out to dry
    Hannah moved to Leeds
    the loan ends in 2031
    order a birthday cake
    the spare tyre is flat
    try decaf for a week
    Marco's train arrives at 18:05
    leave the gate unlocked for Gus
    the freezer is full
    register for the half marathon
    invite the new neighbours over
    turn off the water when leaving
    the blue cable is for the router
    answer Nadia's letter
    """.strip().splitlines()
)

FILE_LINES: tuple[str, ...] = tuple(
    line.strip()
    for line in """
    Shopping for the weekend: bread, cheese, olives.
    The meeting starts at ten in room 4.
    port = 8080
    owner: Anna Berg
    Total: 1,284.50
    2024-03-11 ERROR could not open the socket
    2024-03-11 INFO service started
    Dear Mr. Hale, thank you for your letter.
    - call the landlord
    - water the tomatoes
    # Plan for spring
    Preheat the oven to 180 degrees.
    Stir in the flour and two eggs.
    name,amount,date
    Maria,42,2023-05-01
    Tom,17,2023-05-02
    "timeout": 30,
    debug = false
    def main():
    import json
    return total / count
    We agreed to move the launch to June.
    Next steps: send the draft to Clara.
    The rent is due on the first of the month.
    Flight LX318 leaves at 07:20.
    Hotel Lindenhof, room 512
    Budget for travel: 2,400
    The printer on the second floor is out of toner.
    TODO: ask Ravi for the numbers
    Chapter one begins on a cold morning.
    The old lighthouse had not been lit for years.
    Version 2.1 fixes the login page.
    Known issue: the search is slow with many files.
    user = guest
    language: en
    status: open
    Invoice number 20418
    Please pay within 30 days.
    Deadline: 15 September
    Priority: high
    Seeds to order: basil, dill, beans.
    Change the oil every 10,000 km.
    The key is with the neighbour.
    We met Priya at the station.
    Weight today: 71.4 kg
    Slept badly, long walk in the evening.
    Ran 6 km in 34 minutes.
    Sales rose slightly in the third quarter.
    Customers asked for a dark theme.
    The survey had 212 answers.
    Three people voted against it.
    WARNING disk usage at 91 percent
    connection refused by host
    retrying in five seconds
    backup finished without errors
    The committee meets again in October.
    Guests: 48, vegetarians: 9
    Cake from the bakery on Elm Street
    Music: a small jazz band
    Rain all day, we stayed inside.
    The ferry goes every two hours.
    Tickets cost 12 per person.
    Bring a towel and good shoes.
    Contact: office@example.org
    Phone: 555 0148
    Address: 9 Harbour Lane
    The contract ends on 31 December.
    Notice period: three months
    The deposit will be returned after the inspection.
    Heating costs are included.
    temperature,humidity
    21.4,48
    sensor 3 did not answer
    The experiment was repeated four times.
    Results were better with the second sample.
    See table 2 for details.
    Thanks to everyone who helped.
    In the end the fox got away.
    She closed the door and said nothing.
    The bridge was built in 1887.
    Rivers in the north freeze in January.
    Vocabulary: anchor, harbour, sail
    Homework: read pages 20 to 31.
    Grades are posted on Friday.
    The exam covers the first five lectures.
    Goal: learn fifty words a week
    print("done")
    for row in rows:
    if not path.exists():
    max_size = 512
    color = "teal"
    host = localhost
    level: info
    retries: 3
    enabled = true
    theme = "light"
    The server is restarted every Sunday night.
    Passwords are kept in the safe.
    Ask Ben before changing the router.
    Wifi name: bluebird
    Gas meter: 30418
    Electricity: 5521 kWh
    Repaired the fence, cost 85.
    New tyres in November.
    The garden gate squeaks.
    Mow the lawn on Saturday.
    Soup: leeks, potatoes, cream, nutmeg.
    Let the dough rest for an hour.
    Serves four.
    Bake for 25 minutes until golden.
    A pinch of salt is enough.
    Team lunch on Thursday at noon
    Attendees: Lena, Oscar, Yusuf
    Decision: we keep the old supplier.
    Open question: who writes the report?
    Minutes taken by Irene.
    Candidate two has strong references.
    Interview moved to the blue room.
    The newsletter goes out on Monday.
    Members: 134
    Final score 3 to 2
    Training is cancelled next week.
    Coach: Marco
    Books to read this summer
    The longest film was over three hours.
    Favourite song: the one about the sea.
    Symptoms: headache, sore throat
    Take one tablet after meals.
    Next appointment on the 9th.
    Insurance covers the water damage.
    Claim filed in April.
    Mileage: 84,210
    Shipment 77 arrived damaged.
    Twelve boxes are missing.
    Stock of blue paint is low.
    Prices go up in January.
    Order confirmed by the supplier.
    quantity: 250
    supplier: North Mill
    The roof needs work before winter.
    Roadmap: search, export, sharing
    Milestone 2 is two weeks late.
    Bug 118 is fixed.
    Released by Hannah.
    license: MIT
    author: Theo Lind
    Draft, not for publication.
    Introduction and aims
    This page is left blank on purpose.
    End of file
    """.strip().splitlines()
)
