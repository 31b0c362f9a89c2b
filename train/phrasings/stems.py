"""More names of files, of folders and of the settings and fields that stand in files."""

_MORE_STEMS = """
greet greeting greetings hello hello_world hi welcome goodbye thanks note notes notes2 my_notes
quicknote todo2 todo-today todo_list tasks my_tasks trip-plan trip tripNotes my_list list list1
shoppingList shop3 groceries january february-log march_2024 april may2025 june-photos july august_trip
september october november-bills december letterToBank letter_to_anna coverLetter loveletter IMG_2031
IMG_0007 DSC0415 scan001 scan_12 photo-list screenshot1 test test1 test2 testfile demo example sample
example-2 foo bar baz temp tmp1 scratch scratchpad untitled untitled-1 new newfile new_file2 file1
file_a myfile my-file output out result input input_data data2 dataset raw_data clean-data numbers
values table1 totals sums statistics stats2025 log log1 debug_log errors warnings events history audit
trace install setup start run build make_all helper helpers common constants models views routes api
client server2 worker queue cache database schema query backup2 dump snapshot old_notes archive2019 copy
copy2 final final_v2 FINAL v3 draft draft1 draft-b version2 review comments feedback questions faq quiz
quiz3 quotes jokes riddles haiku poems_old song1 lyrics2 script scene-1 chapter9 prologue epilogue plot
characters novel blog post post-12 article article_draft headline press-release about contact imprint
home page1 landing menu_summer soup salad-ideas curry dumplings apple_pie lasagna dinner_plan weekMenu
breakfast leftovers pantry fridge wine-list cocktails coffee-beans wishlist wish-list gift_ideas party
party_plan guests invites seating rsvp playlist podcast_list series watchlist bookclub reading-list
bucketlist goals goals2026 habits journal journal_day1 dream-log memories family familyTree kids
school_run pets dog_training cat-food vet aquarium bike-tour hiking camping_gear ski_trip beach packing
passport_info visa train-times bus_lines routes_north maps addresses phonebook birthdays calendar
weekplan week32 daily-log diary2 standup-05 sprint7 kickoff pitch proposal quote_0815 offer receipt
receipts-may bills rent loan savings pension bankinfo paypal_log warranty manual howto guide cheatsheet
commands shortcuts snippets hints secrets_not key_codes locker wifi_guest printer-setup floor_plan
furniture paint_colours tiles
"""
MORE_STEMS: tuple[str, ...] = tuple(_MORE_STEMS.split())

_MORE_KEYS = """
theme, debug, log format, background, font, width, height, retries, max users, region, country,
postcode, street, first name, last name, birthday, nickname, department, company, website, order date,
delivery method, discount, currency, tax rate, subtotal, deposit, payment terms, bank, opening hours,
floor, seat, gate, departure, arrival, distance, duration, temperature, servings, cooking time, oven
setting, publisher, genre, pages, rating, category, topic, summary, reviewer, sprint, branch, database,
protocol, proxy, encoding, time zone, backup interval, cache limit, model, serial, warranty, material,
brand, breed, blood group, doctor, allergies, membership, locker, licence plate, fuel, mileage
"""
MORE_KEYS: tuple[str, ...] = tuple(" ".join(_MORE_KEYS.split()).split(", "))

_MORE_FOLDERS = """
documents downloads desktop music pictures videos books writing poems blog drafts2 ideas family kids health
insurance house car bank receipts contracts templates public private temp build lib assets samples research
thesis lectures course-work team hr sales support 2022 2026 week_notes holiday-2025 side_project
"""
MORE_FOLDERS: tuple[str, ...] = tuple(_MORE_FOLDERS.split())
