"""Vocabulary of the world: values of attributes, and words of titles and descriptions."""

from __future__ import annotations

GENDERS = ("f", "m", "")
COUNTRIES = ("CN", "US", "IN", "BR", "JP", "DE", "MX", "KR", "ID", "FR")
DEVICES = ("android", "ios", "tablet", "desktop")
MUSIC_TYPES = ("instrumental", "song", "remix", "loop", "live")

# genre → usual beats per minute and its words
_GENRES: dict[str, tuple[int, str]] = {
    "pop": (118, "chorus hook radio sing catchy verse chart sweet melody refrain vocal bright"),
    "rock": (132, "guitar riff drums amp stage anthem distortion band garage solo power chords"),
    "hiphop": (92, "beat rap flow bass trap sample street rhyme verse cypher turntable groove"),
    "electronic": (124, "synth drop club laser pulse filter machine arpeggio rave circuit oscillator neon"),
    "jazz": (104, "saxophone swing trumpet brush improvisation standard blue smoky quartet walking double bass"),
    "classical": (84, "orchestra violin sonata cello chamber symphony strings concerto prelude adagio baroque maestro"),
    "folk": (98, "banjo village ballad fiddle acoustic campfire harmonica story river mandolin meadow fingerpicking"),
    "country": (108, "prairie truck boots steel nashville twang porch highway whiskey rodeo dust slide"),
    "ambient": (68, "drone texture pad space field recording slow horizon fog reverb endless breath"),
    "latin": (102, "salsa conga carnival reggaeton brass cumbia clave fiesta timbales tropical bongo samba"),
    "metal": (150, "growl double kick blast thrash doom shred breakdown iron chug scream forge"),
    "soul": (88, "gospel organ velvet rhodes heartfelt choir groove motown falsetto horns tender silk"),
    "reggae": (76, "offbeat dub island skank riddim sunshine roots echo chamber bassline easy kingston"),
    "lofi": (80, "vinyl crackle tape rain study cassette dusty loop mellow hiss sidechain bedroom"),
    "cinematic": (96, "trailer score tension epic hero percussion rise horizon braam taiko overture finale"),
    "kids": (112, "playground ukulele glockenspiel giggle nursery clap whistle toy bouncy marching balloon cartoon"),
}
GENRES = tuple(_GENRES)
GENRE_TEMPO = tuple(tempo for tempo, _ in _GENRES.values())
GENRE_WORDS = tuple(tuple(words.split()) for _, words in _GENRES.values())

# from calm to wild
_MOODS: dict[str, str] = {
    "sleepy": "drowsy lullaby hush midnight pillow moonlit soft whisper",
    "calm": "peaceful gentle still quiet breeze lake floating serene",
    "sad": "lonely tears grey farewell longing broken autumn melancholy",
    "romantic": "candle kiss rose dancing embrace wedding sweetheart dusk",
    "dreamy": "cloud drifting hazy starlight mirage shimmer pastel reverie",
    "happy": "sunny smiling picnic cheerful holiday carefree golden laughter",
    "tense": "shadow chase ticking suspense alarm edge storm danger",
    "energetic": "sprint workout explosive racing jump adrenaline fireworks wild",
}
MOODS = tuple(_MOODS)
MOOD_WORDS = tuple(tuple(words.split()) for words in _MOODS.values())

# in steps of 30 beats per minute, from 50
TEMPO_WORDS = (
    ("slow", "unhurried"),
    ("moderate", "easygoing"),
    ("steady", "mid-tempo"),
    ("fast", "upbeat"),
    ("furious", "breakneck"),
)

SCENES = (
    "vlog",
    "travel video",
    "cooking clip",
    "product review",
    "gaming montage",
    "wedding film",
    "sports recap",
    "tutorial",
    "time lapse",
    "fashion reel",
    "pet video",
    "short story",
)

FIRST_NAMES = (
    "Ada",
    "Bruno",
    "Chloe",
    "Dario",
    "Elif",
    "Femi",
    "Greta",
    "Hiro",
    "Ines",
    "Jun",
    "Kofi",
    "Lena",
    "Mateo",
    "Nadia",
    "Otis",
    "Priya",
    "Quinn",
    "Rosa",
    "Sami",
    "Tara",
    "Umar",
    "Vera",
    "Wen",
    "Yara",
)
LAST_NAMES = (
    "Abara",
    "Bloom",
    "Castellan",
    "Dune",
    "Everhart",
    "Fontaine",
    "Glass",
    "Halvorsen",
    "Ibarra",
    "Jansen",
    "Kimura",
    "Lark",
    "Moreau",
    "North",
    "Okafor",
    "Petrov",
    "Quill",
    "Reyes",
    "Stone",
    "Tanaka",
    "Umber",
    "Voss",
    "Winter",
    "Zhang",
)
ENSEMBLES = ("", "", "", "Trio", "Collective", "Orchestra", "Sound System", "Ensemble")

# {g} a word of the genre, {m} of the mood, {t} of the tempo; {genre}, {mood}, {artist}, {scene} as text
SENTENCES = (
    "{artist} brings {g} and {g} together in a {m} piece.",
    "Some {t} {genre} with {m} {g}, made for a {scene}.",
    "Think {m}, {m} and a touch of {g}.",
    "The {g} keeps it {mood}, and {t}.",
    "Use it behind a {scene} that needs something {m}.",
    "Recorded with {g}, {g} and plenty of {m} moments.",
    "It starts {m}, then the {g} comes in.",
    "{t} and {m}: {artist} at home in {genre}.",
)
TITLES = ("{M} {G}", "{G} of the {M}", "The {M} {G}", "{M} and {M}", "{G} {G}", "{M} {G} Theme", "One {M} {G}")
