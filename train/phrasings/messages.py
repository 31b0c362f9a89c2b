"""Short texts a person asks to have written into a file or kept as a note."""

_TEXTS = """
hello | hello there | hello world | Hello, world!
hi mum | hi dad, home safe | hey you | Hey Sam, call me back
good morning | good morning everyone | Good evening, all | good night and sleep well
goodbye | see you later | see you on Monday | See you tomorrow!
welcome | welcome home | Welcome to the team | Welcome back, Ines
thanks | thank you | thank you so much | Thanks for the flowers
cheers | congratulations | Congratulations, Nadia! | happy birthday
Happy birthday, grandpa | happy new year | Merry Christmas to all of you | best of luck
good luck with the exam | get well soon | take care | miss you
love you | I love you | I am proud of you | sorry
sorry I am late | sorry for the mess | please | please knock
Please ring the bell | please be quiet | do not touch | Do not feed the ducks
closed today | back soon | back at 5:30 | back in ten minutes
gone fishing | gone to lunch | be right back | yes
done | almost done | not yet | all good
so far so good | test | testing one two three | this is a test
just a test | last line | the end | To be continued
start here | nothing here yet | empty for now | milk
butter | eggs, flour, sugar | milk and honey | rice, beans, two onions
three lemons and a lime | a dozen eggs | six rolls, one baguette | café at eleven
meet me at the café | two coffees, one tea | a slice of apple pie | crème brûlée for dessert
more salt next time | less sugar, more lemon | bake for 25 minutes | let it cool first
soup is in the freezer | dinner is in the oven | pizza tonight? | who wants ice cream?
tea with Aunt May | lunch with José at one | brunch on Sunday at 10:30 | table for four, 19:00
pay the babysitter | pay the water bill | pay Omar 12.50 | owe Kate 7 euros
rent is 840 a month | total: 63.20 | price 19.99 | only 4.50 each
two for the price of one | 20% off until Friday | save 50 a week | the fare is 3.80
deposit paid on 3 May | tax refund came: 412.75 | invoice 2044 is paid | cash only
keep the change | wash the car | walk the dog | feed the fish
brush the cat | clean the windows | mop the kitchen floor | sweep the stairs
empty the dishwasher | iron the blue shirt | water the cactus | mow the lawn
take out the rubbish | fix the bike | change the sheets | defrost the freezer
hang the picture in the hall | measure the window first | buy paint and two brushes | buy a new kettle
buy tickets for the zoo | order the cake | order ink, black only | post the letter
mail the form today | phone the school | ring the vet before noon | text Ravi the address
email Petra the slides | write to Grandma | answer the survey | sign page three
print two copies | scan the passport | book the ferry | book a haircut
cancel the newspaper | renew the parking permit | return the drill to Nils | bring a towel
bring your own cup | bring the blue folder | pack light | pack socks and a torch
charge your phone | lock the back door | close the windows if it rains | turn off the oven
leave the key with Rosa | leave the light on | remember the milk | remember to breathe
remember to call Theo | do not forget the tickets | do not be late | wake me at seven
up at six tomorrow | gym at 7 am | yoga on Tuesdays | swim on Thursday, 18:15
choir at eight | dentist, 14 March, 9:20 | doctor at a quarter past three | vet on the 22nd
haircut Saturday 11:00 | parents evening on Wednesday | piano lesson moved to four
training starts at 17:45 | bus leaves at 8:12 | last train 23:47 | gate closes at 9:05
check-in from 15:00 | flight BA 208, seat 14C | platform 9 | room 301
room 12, first floor | flat 4b, second floor | third door on the left | turn right at the church
17 Mill Lane | PO box 330 | house number 58 | around the corner from the bank
under the mat | key is in the shed | the small blue box | locker 27
code 5190 | phone 555 0147 | call 020 555 0199 | extension 42
+44 555 010 203 | mail to info at example dot org | www.example.org | example.com/help
debug = true | debug = false | port 8080 | port = 3000
host = localhost | timeout: 30 | retries = 5 | mode: dark
lang = en | import math | ls -la | pip install numpy
SELECT name FROM users; | TODO | TODO: tidy this up | FIXME
# Shopping | ## Ideas | - first item | - eggs
* bold idea | 1. wake up | 2. make tea | [ ] call the bank
[x] buy stamps | name,age,city | Ana,31,Porto | status: done
owner: Wei | version 2.4.1 | all tests pass | error 404
disk is full | server is down again | restart on Sunday night | backup finished
no errors today | password is with Ulla | use the other branch | ask before you delete
read only | draft, not final | final version | copy of the lease
TOP SECRET | URGENT | URGENT: call Ben | IMPORTANT
Important: read this first | FRAGILE | HELLO | STOP
YES! | wow | hooray | oops
abc123 | foo bar | lorem ipsum | 42
1234 | 3.14159 | 2024 | 6 pm
midnight snack | today | tomorrow | tomorrow at nine
yesterday was fun | next Tuesday | every other Friday | by the end of the week
not before Easter | it is raining | it rained all day | sunny, 24 degrees
snow on the hills | a cold wind from the north | the sky is blue | grass is green
water boils at 100 degrees | a year has 365 days | seven days in a week | Paris is in France
Mars is the fourth planet | honey never goes bad | the cat is on the roof | the dog ate it
the fox came back | roses are red | the tulips are out | my name is Leo
my name is Zoë | I am René | call me Max | I live in Malmö
I work at the library | I like green tea | I was here | I am at home
I will be late | I can come at six | I have two sisters | I need a nap
I need more time | I lost my umbrella | I found your scarf | I forgot the bread
I passed the exam! | we are out of coffee | we met in Bilbao | we should talk
we miss you all | you are the best | you can do it | you left your coat here
it is a girl! | it was a good day | this too shall pass | that is all
there is cake in the kitchen | there is no milk | here is the plan | here we go again
where are you? | where is the ladder? | where did I park? | who took my pen?
who is Björn? | what time is it? | what is for dinner? | what was the name again?
when is the party? | when do we leave? | why not? | why is the light on?
how are you? | how much is it? | how many guests? | are you coming?
can you call me? | did you eat? | is it Friday yet? | is the shop open on Sunday?
shall we dance? | do you have the key? | be kind | be brave
keep going | stay calm | never give up | one step at a time
time to go | time for a break | every day is a new start | look up at the stars
smile more | drink water | read more books | sleep more, worry less
learn ten words a day | learn Spanish | idea: a garden on the roof | idea for a story: two moons
once upon a time | Once there was a small boat | It was a dark night. | The door was open.
Nobody came. | The ship left without them. | She closed the book and smiled.
And then it began to snow. | He never liked the sea. | The old clock struck four. | Dear Sir or Madam
Dear Mrs. Bell, | Dear diary | Kind regards, Hugo | Yours, Emil
With love from Noor | To my sister | for Mei | Anna and Ben
Tom, Ali, Beatriz | Chloé | Łukasz | Dr. Singh, room 5
Mr. Okafor called | Mrs. Lund wants the report | ask André about the boat | ask Mika, not me
tell Joy it is fixed | meet Kim at the station | meeting at 3 | meeting with the bank at 10:15
meeting notes | meeting cancelled | agenda: budget, staff, summer party | present: Ola, Jean, Tariq
next meeting 8 April | budget is 5000 | sales up 4 percent | send the offer by Thursday
order 60311 has shipped | parcel is next door | delivery between 2 and 4 | medium, not large
blue or green? | 5 kg of potatoes | half a litre of cream | 1 cup rice, 2 cups water
3 eggs, 200 g flour | 180 degrees, 40 minutes | piñata for the party | résumé sent
déjà vu | hola | bonjour | ciao bella
adiós amigo | olá, tudo bem
"""
MESSAGES: tuple[str, ...] = tuple(
    text.strip() for line in _TEXTS.strip().splitlines() for text in line.split(" | ")
)
