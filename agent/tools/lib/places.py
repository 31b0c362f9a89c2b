"""Places that people ask the time of and that no time zone is named after: countries, towns, letters."""

from __future__ import annotations

ZONES_BY_PLACE = {
    "America/Los_Angeles": (
        "la,san francisco,seattle,california,las vegas,san diego,portland,sacramento,san jose,oakland,pst,pdt"
        ",pacific time"
    ),
    "America/Denver": "salt lake city,albuquerque,colorado,utah,mdt,mountain time",
    "America/Edmonton": "calgary,alberta",
    "America/Chicago": "houston,dallas,austin,san antonio,texas,milwaukee,nashville,new orleans,minneapolis"
    ",st louis,kansas city,memphis,illinois,cst,cdt,central time",
    "America/New_York": "nyc,boston,washington,washington dc,miami,philadelphia,atlanta,pittsburgh,orlando"
    ",baltimore,charlotte,cleveland,tampa,florida,edt,eastern time",
    "America/Toronto": "ottawa,quebec",
    "America/Mexico_City": "mexico,guadalajara,puebla",
    "America/Sao_Paulo": "rio,rio de janeiro,brasilia,brazil,salvador",
    "America/Argentina/Buenos_Aires": "argentina",
    "America/Santiago": "chile,valparaiso",
    "America/Bogota": "colombia,medellin,cali",
    "America/Lima": "peru,cusco",
    "America/Caracas": "venezuela",
    "America/Guayaquil": "ecuador,quito",
    "America/Montevideo": "uruguay",
    "America/La_Paz": "bolivia",
    "Europe/London": (
        "uk,england,scotland,wales,britain,great britain,united kingdom,edinburgh,manchester,glasgow,leeds"
        ",birmingham,liverpool,bristol,cardiff,newcastle,oxford,cambridge,york,bst"
    ),
    "Europe/Dublin": "ireland,cork,galway",
    "Europe/Paris": "france,lyon,marseille,nice,bordeaux,toulouse,lille,nantes,strasbourg",
    "Europe/Brussels": "belgium,antwerp,ghent,bruges",
    "Europe/Amsterdam": "netherlands,the netherlands,holland,rotterdam,utrecht,the hague",
    "Europe/Berlin": (
        "germany,munich,hamburg,frankfurt,cologne,stuttgart,leipzig,dresden,bremen,hanover,nuremberg,cest"
    ),
    "Europe/Vienna": "austria,graz,salzburg,innsbruck,linz",
    "Europe/Zurich": "switzerland,geneva,bern,basel,lausanne",
    "Europe/Madrid": "spain,barcelona,seville,valencia,malaga,bilbao",
    "Europe/Lisbon": "porto",
    "Europe/Rome": "italy,milan,naples,florence,venice,turin,bologna,palermo",
    "Europe/Oslo": "norway,bergen,trondheim",
    "Europe/Stockholm": "sweden,gothenburg,malmo,uppsala",
    "Europe/Copenhagen": "denmark,aarhus",
    "Europe/Helsinki": "finland,tampere,turku",
    "Europe/Tallinn": "estonia",
    "Europe/Riga": "latvia",
    "Europe/Vilnius": "lithuania",
    "Europe/Warsaw": "krakow,gdansk,wroclaw,poznan,lodz",
    "Europe/Prague": "czechia,czech republic,brno,ostrava",
    "Europe/Bratislava": "slovakia",
    "Europe/Budapest": "hungary,debrecen",
    "Europe/Bucharest": "romania,cluj",
    "Europe/Sofia": "bulgaria",
    "Europe/Belgrade": "serbia",
    "Europe/Zagreb": "croatia,split,dubrovnik",
    "Europe/Ljubljana": "slovenia",
    "Europe/Athens": "greece,thessaloniki,crete",
    "Europe/Istanbul": "ankara,izmir",
    "Europe/Kyiv": "ukraine,odessa,odesa,lviv",
    "Europe/Moscow": "saint petersburg,st petersburg,msk",
    "Asia/Jerusalem": "haifa",
    "Asia/Beirut": "lebanon",
    "Asia/Dubai": "abu dhabi,uae,united arab emirates",
    "Asia/Riyadh": "saudi arabia,jeddah,mecca",
    "Asia/Qatar": "doha",
    "Asia/Baghdad": "iraq",
    "Asia/Karachi": "pakistan,lahore,islamabad",
    "Asia/Kolkata": (
        "india,delhi,new delhi,mumbai,bangalore,bengaluru,chennai,hyderabad,pune,jaipur,ahmedabad,ist"
    ),
    "Asia/Dhaka": "bangladesh",
    "Asia/Kathmandu": "nepal",
    "Asia/Colombo": "sri lanka",
    "Asia/Bangkok": "thailand,phuket,chiang mai",
    "Asia/Ho_Chi_Minh": "hanoi,vietnam,da nang",
    "Asia/Jakarta": "bandung,surabaya",
    "Asia/Makassar": "bali,denpasar",
    "Asia/Manila": "philippines,cebu",
    "Asia/Kuala_Lumpur": "malaysia,penang",
    "Asia/Shanghai": "china,beijing,shenzhen,guangzhou,chengdu,wuhan",
    "Asia/Taipei": "taiwan",
    "Asia/Tokyo": "osaka,kyoto,nagoya,sapporo,fukuoka,hiroshima,jst",
    "Asia/Seoul": "south korea,korea,busan",
    "Australia/Sydney": "wollongong",
    "Australia/Melbourne": "geelong",
    "Australia/Brisbane": "cairns,gold coast",
    "Pacific/Auckland": "new zealand,wellington,christchurch",
    "Africa/Cairo": "alexandria",
    "Africa/Casablanca": "morocco,marrakesh,rabat,fez",
    "Africa/Lagos": "nigeria,abuja",
    "Africa/Accra": "ghana",
    "Africa/Nairobi": "kenya,mombasa",
    "Africa/Addis_Ababa": "ethiopia",
    "Africa/Johannesburg": "cape town,south africa,durban,pretoria",
}
"""IANA zone -> places in it, each where no other place of the name is meant more often."""
