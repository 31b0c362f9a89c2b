"""Common English words of everyday notes and short texts, in many forms."""

_COMMON = """
hello hi hey there thanks thank dear welcome goodbye bye regards congratulations sorry please sincerely
greetings howdy okay yes nope maybe sure indeed goodnight love truly best wishes kindly tomorrow
yesterday today tonight now later soon never always often sometimes rarely usually again already yet
still ever once twice before after during until since while when whenever meanwhile afterwards recently
lately finally suddenly immediately eventually forever daytime midnight noon dawn dusk afternoon sunrise
sunset monday tuesday wednesday thursday friday saturday sunday january february april june july august
september october november december spring autumn fall second minute hour week month decade century
moment meeting meetings remember remind reminder forget forgot forgotten list about above across against
along among around behind below beneath beside between beyond despite down from inside into like near
onto outside over past round than that them then these they this those though through throughout toward
under underneath unless upon were what whatever where wherever whether which whichever whose whom will
with within without would could should might must shall cannot also although another anybody anyone
anything anywhere because been both does doing done each either else enough even every everybody
everyone everything everywhere except few first third fourth fifth last next half have having here hers
herself himself however instead itself just less least many more most much myself neither nobody none
nothing nowhere only other ours ourselves part perhaps quite rather really same self several some
somebody someone something somewhere somehow such themselves therefore thus together too very well your
yourself yourselves almost altogether certainly clearly completely directly exactly extremely fairly
fully generally hardly highly hopefully largely likely mainly mostly nearly normally obviously
particularly perfectly possibly precisely probably properly quickly quietly roughly seriously simply
slightly slowly softly specially strongly surely totally typically carefully easily happily loudly badly
gladly gently honestly politely sadly safely secretly separately asked answering bring brought buy
bought call called calling came come coming cook did drink drinking drank eaten ate feel felt find
finding found gave given goes going gone went had has hear heard held hold holding hope kept keeping
knew know learning leave leaves left lend lent lets live lived look looking lose losing lost made make
making mean meant meet met moved needed needs opened opening paid pay play playing pull pushed put
putting read ran run running said say saying saw see seen sell sold send sending sent set setting show
shown sing singing sang sit sitting sat sleep slept speak spoke spoken spend spending spent stand stood
start started starts stay stayed stop stopping take taken took talk talking taught tell told think
thinking thought tried try trying turn used visiting waiting walking want wanted wants was watch
watching wear wore win winning won wonder wondering work working works write wrote written worry worried
accept accepted allow appear apply applied argue arrive arrived attend avoid avoided become became began
begun beginning believe belong bend bent bite blow blew boil borrowed break broke breathe built burn
burned burnt cancel caring catch caught change check checked cheer chose chosen cleaned climbed close
closed collect collected compare complain complete completed connect consider contain continue copied
copy cost count counted cover create created cried crossed cry cut cutting dancing delayed delete depend
describe deserve die died differ dig discover discuss divide download drag draw drawn drew dream dreamed
dress dried drop drove driven earned edit encourage enjoyed enter escape examine exist expect expected
explore fail fallen falling fear fed fell fetch fight fought fill finished finishing fit fix flew
floated flying fold following freeze froze frozen get getting got grab grew growing grown guess hang
happened hate head helped helping hid hit hung hurried hurt ignore imagine include included increase
introduce joining jumping kissed knit laid land laughed lay lead leaned leap led lie lift lifted light
listening lit load manage managed mark marry married matter mention mentioned miss missed mix offered
owe owed own pack packing park parked pass passing pick picking planted plants point post posting pour
practise prefer prepared press pretend prevent print printed promise protect prove provide reached
realise receive recommend recycle reduce refuse refused relax remain remove rename renamed renew rent
repaired repeat replace replied reply request rest rested restart return rewrite ride riding rode rang
rinse rise roll rolled rub ruin rush rushed save scared seem seemed serve settle sew shake shaken
sharing share shave shine shoot shop shopping shout shut sign skip skipped slide slip slow smell smile
smiling sneeze snow solve solved sort spell spelt spill spilled split spread squeeze step stick stir
store stretch stuck study studied studying succeed suggest supply suppose surprise surprised swam sweep
swept swim swimming switch tap taste tear test tested threw thrown ticked tie tick touch train trained
translate trip trust trusted type unlocked unpack untie upset voting wake woke washed wash waste wasted
wave waved weigh wipe wish wishing wrap mother father mum dad mummy daddy parent sister brother son
daughter child children baby kid wife husband grandma grandpa grandmother grandfather aunt cousin niece
nephew friend neighbour boss colleague guest man woman men women boy girl student pupil class dentist
plumber electrician driver waiter chef baker builder painter singer actor artist writer sailor pilot
police landlord tenant customer seller buyer leader team player captain coach person human family couple
crowd group club name nickname surname house home flat apartment room bedroom bathroom hall hallway
garage attic basement roof floor ceiling wall door gate fence stairs balcony terrace shed sink stove
oven fridge freezer toaster microwave dishwasher cupboard shelf shelves chair sofa couch bench stool
desk bed mattress sheet towel soap shampoo toothbrush toothpaste comb brush bath shower toilet bucket
mop broom vacuum lamp bulb socket plug cable wire charger remote radio television screen keyboard mouse
laptop computer tablet phone printer scanner speaker headphones clock alarm calendar diary notebook pen
eraser ruler glue tape scissors stapler envelope stamp card package box bag suitcase backpack purse
keyring lock sunglasses hat cap scarf gloves coat sweater jumper shirt skirt trousers jeans socks shoes
boots sandals belt zip pocket sleeve uniform suit pyjamas necklace earrings diamond food breakfast lunch
supper snack meal bread toast butter jam cheese milk cream yoghurt egg bacon ham sausage chicken beef
pork lamb fish salmon tuna rice pasta noodles pizza soup salad sandwich burger chips potato tomato onion
garlic carrot pepper lettuce spinach cabbage mushroom beans peas corn pear peach plum lime strawberries
pineapple mango coconut nuts raisins flour sugar salt oil vinegar sauce spices cinnamon basil parsley
mint chocolate cookie biscuit pie pancake icecream dessert candy tea juice soda beer wine glass cup mug
plate bowl fork spoon knives pan pot lid tray recipe ingredients slice piece spoonful street road avenue
lane path corner crossing square playground town city country station airport port bus tram subway taxi
bike bicycle car van truck lorry motorbike scooter boat ship ferry plane flights passport visa luggage
map hostel tent camping beach lake sea sand shore coast cliff cave hill field farm tower church museum
theatre cinema gallery stadium gym pool supermarket butcher pharmacy hospital clinic bank factory
college university restaurant cafe pub bar animal dog puppy cat horse cow pig sheep goat hen duck goose
bird owl crow pigeon fox wolf bear deer squirrel rat mice lion tiger elephant monkey snake lizard frog
snail worm bee wasp ant butterfly penguin tree leaf grass bush rose tulip daisy lily soil weed weather
sun sunny rain raining rainy wind windy storm stormy cloud cloudy fog foggy ice hail lightning rainbow
sky moon star heat warmth cold temperature dry wet damp frost body face eye ear nose mouth lip tooth
teeth tongue neck shoulder arm hand finger thumb chest back stomach knee leg foot feet toe skin hair
bone blood heart brain headache fever cough sick ill illness pain medicine pill bandage injury healthy
asleep awake hungry thirsty money cash coin euro dollar pound cent price bill fee tax loan salary
receipt refund discount sale bargain purchase insurance deposit credit transfer zero one two three four
five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million dozen pair
percent sum amount total average maximum minimum length width height weight size speed distance metre
mile kilo litre gram book page story poem novel magazine newspaper article headline sentence word line
paragraph text message email mail inbox attachment document file password username login link internet
online offline app software program code bug menu backup data database wifi signal connection project
deadline agenda presentation spreadsheet chart graph draft problem solution reason example fact topic
subject opinion advice tip rule law choice decision mistake chance luck truth secret hint clue purpose
success failure progress effort skill talent experience knowledge memory attention interest hobby game
toy puzzle chess ball football tennis basketball match score prize medal winner music song band concert
piano drum dancer film movie photo picture art poster festival party wedding birthday anniversary
christmas easter gift present balloon cake event appointment reservation schedule timetable interview
career business company firm education exam homework course degree grade language english french german
spanish italian history science maths geography physics chemistry biology culture religion politics
government election president minister king nation peace freedom society community world earth globe
space universe environment power fuel gas petrol electricity coal wood metal steel stone plastic rubber
cotton wool leather silk gold copper able absent afraid alive alone amazing angry annoyed annoying
anxious ashamed available awful bad beautiful better big bigger biggest bitter black blind blue bored
brilliant brown busy careful careless central certain cheaper chilly clear closer common confident
confused cool correct crazy curious current cute dangerous deaf delicious different difficult dirty dull
eager earlier easier effective elderly electronic elegant entire equal essential exact excellent excited
exciting expensive extra fair false familiar fancy fantastic faster favourite female fine foolish formal
former free frequent friendly frightened full funny further future generous giant glad good grand
grateful great greater grey grumpy guilty hard harder helpful helpless high higher honest horrible hot
huge ideal impossible incredible independent jealous junior kinder larger latest lazy legal limited
lonely long longer longest loose loud lovely lower lucky mad main male medium mental mild minor modest
nasty national natural naughty necessary negative nervous newer new noisy normal nearby obvious older
opposite ordinary original outdoor painful pale particular patient perfect personal physical pleasant
poor popular positive possible powerful practical precious pretty previous proper pure purple quieter
ready real recent red regular related relevant reliable responsible right ripe rough royal rude rusty
sad safe salty scary senior sensible sensitive separate serious shallow shiny short shorter shy silent
silly similar sleepy small smaller smart soft solid sore sour spare special spicy steady steep sticky
stiff strange strict strong stronger sudden suitable super sweet tender terrible thick thin tight tough
traditional trendy true unable uncomfortable unfair unhappy unique unknown unlikely unusual upstairs
downstairs useless valuable various weak wealthy weird white whole wise wonderful wooden worse worst
worth wrong younger youngest away ahead apart aside abroad anyway forward indoors straight upwards aloud
moreover otherwise per plus minus regarding concerning including top bottom middle side edge end front
centre bin rubbish laundry dishes chores gardening lawn mower hose shovel rake drill screw nail
screwdriver wrench toolbox rope string chain hook pipe leak boiler heater radiator curtains rug cushion
vase frame nap vacation journey adventure tour tourist accident emergency fire fireman ambulance danger
safety security guard crash noise silence sound voice shadow colour shape circle triangle pattern style
fashion thing stuff way place time day night life death birth age youth wealth beauty anger joy hunger
thirst fun laughter courage pride mood trouble support care respect duty invitation apology excuse
argument agreement deal stage level bonus comment feedback review summary title detail description
definition tag symbol item object tool machine wheel tyre brake seat traffic motorway highway junction
pavement
"""
COMMON: tuple[str, ...] = tuple(_COMMON.split())
