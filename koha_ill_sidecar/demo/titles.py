"""
Invented titles for requests of every material type.

The attributes are the fields of Koha's form for the type. Titles, people and numbers are invented. The numbers have
valid check digits, and DOIs have the prefix that is reserved for examples.

Source: Koha, Koha/ILL/Backend/Standard.pm _get_core_fields and the form of each type.
"""

from collections.abc import Callable, Sequence
from random import Random

AUTHORS = (
    "Adeyemi, Folake", "Andersson, Åsa", "Barwick, Ellen", "Bergström, Nils", "Castillo Ñíguez, Inés",
    "Chaudhuri, Anil", "Dąbrowska, Łucja", "Eco-Ferrand, Lucile", "Farouk, Nadia", "Gómez-Prada, Raúl",
    "Hōjō, Emi", "Ivanova, Darya", "Kalnins, Jānis", "Lindqvist, Pär", "Mbeki-Ross, Thandi", "Nguyễn, Thị Hà",
    "O’Riordan, Caoimhe", "Papadakis, Elena", "Quesnel, Maëlle", "Rothstein, Miriam", "Szabó, Gergő",
    "Tamati, Aroha", "Ueda, Sōta", "Vázquez, Xiana", "Whitlock, George", "Yıldız, Şule",
)  # fmt: skip
CHINESE_AUTHORS = ("王小明", "陳怡君", "林淑芬", "黃志偉", "張雅婷", "李國華", "吳佩珊")

SUBJECTS = (
    "bookbinding", "canal engineering", "cartography", "clockmaking", "coastal erosion", "dyes and pigments",
    "early typography", "ferry services", "glaciers", "harbour music", "island dialects", "kite flying",
    "lighthouse keepers", "market gardens", "mechanical calculation", "moths", "mountain paths", "night trains",
    "paper mills", "peat bogs", "public baths", "salt works", "school libraries", "soil chemistry", "tea routes",
    "telegraphy", "tidal power", "urban bees", "vernacular roofs", "weather lore",
)  # fmt: skip
CHINESE_SUBJECTS = (
    "茶葉貿易",
    "臺灣鐵道",
    "印刷術",
    "民間戲曲",
    "水利工程",
    "海島地質",
    "圖書館建築",
    "廟宇彩繪",
)

PLACES = (
    "the Aland Islands", "Bavaria", "Cape Breton", "Catalonia", "the Danube valley", "East Anglia", "Galicia",
    "the Hebrides", "Hokkaido", "Kerala", "Lapland", "Madeira", "the Marlborough Sounds", "Oaxaca", "the Po delta",
    "Senegal", "Taiwan", "Transylvania", "the Yukon", "Zanzibar",
)  # fmt: skip

_BOOK_TITLES = (
    "A short history of {subject} in {place}",
    "{Subject}: an introduction",
    "The {subject} of {place}, 1840–1914",
    "Handbook of {subject}",
    "Letters on {subject} from {place}",
)
_CHINESE_BOOK_TITLES = ("{subject}史", "{subject}研究", "{subject}與日常生活")
_ARTICLE_TITLES = (
    "On the measurement of {subject} in {place}",
    "{Subject} reconsidered",
    "Who pays for {subject}? Evidence from {place}",
    "Notes towards a chronology of {subject}",
    "{Subject} & society: <i>three</i> case studies from {place}",
)
JOURNALS = (
    "Annals of Applied Bibliography", "Archives & Islands", "Bulletin of Small Museums", "Cuadernos de Cartografía",
    "Journal of Northern Studies", "Journal of Tidal Research", "Obscure Letters", "Quarterly Review of Weather",
    "Revue des ponts et canaux", "Zeitschrift für Werkzeugkunde", "圖書資訊學刊", "臺灣史研究通訊",
)  # fmt: skip
_PUBLISHERS = (
    "Harbour Press",
    "Lantern & Sons",
    "Meridian University Press",
    "Quill House",
    "Verlag am Wehr",
)
_CITIES = ("Bergen", "Cork", "Graz", "Lisboa", "Porto Alegre", "Taipei", "Wellington")
_INSTITUTIONS = (
    "Meridian University",
    "Polytechnic of the Straits",
    "Université de la Manche",
    "國立海濱大學",
)
_STUDIOS = ("Lantern Films", "Northlight", "Studio Kanal")

_CHINESE_SHARE = 0.12
_FIRST_YEAR = 1931
_LAST_YEAR = 2025


class Titles:
    """Generates the attributes of requests; the same *random* generates the same ones."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._makers: dict[str, Callable[[], dict[str, str]]] = {
            "book": self._book,
            "chapter": self._chapter,
            "journal": self._journal,
            "article": self._article,
            "thesis": self._thesis,
            "conference": self._conference,
            "dvd": self._dvd,
            "other": self._other,
            "resource": self._resource,
        }

    def attributes(self, material: str) -> dict[str, str]:
        """Return the attributes of a new request for *material*, starting with `type`; none is empty."""
        return {"type": material, **self._makers[material]()}

    def _book(self) -> dict[str, str]:
        title, author = self._title_and_author()
        book = {"title": title, "author": author, "publisher": self._one(_PUBLISHERS), "year": self._year()}
        if self._happens(0.7):
            book["isbn"] = self._isbn()
        if self._happens(0.3):
            book["published_place"] = self._one(_CITIES)
        if self._happens(0.2):
            book["part_edition"] = f"{self._number(2, 9)}. ed."
        return book

    def _chapter(self) -> dict[str, str]:
        first = self._number(1, 300)
        return {
            **self._book(),
            "chapter": self._phrase(_ARTICLE_TITLES),
            "chapter_author": self._one(AUTHORS),
            "pages": f"{first}-{first + self._number(5, 40)}",
        }

    def _journal(self) -> dict[str, str]:
        return {
            "title": self._one(JOURNALS),
            "volume": str(self._number(1, 120)),
            "issue": str(self._number(1, 12)),
            "year": self._year(),
            "issn": self._issn(),
        }

    def _article(self) -> dict[str, str]:
        first = self._number(1, 800)
        article = {
            **self._journal(),
            "article_title": self._phrase(_ARTICLE_TITLES),
            "article_author": self._one(AUTHORS),
            "pages": f"{first}-{first + self._number(3, 30)}",
        }
        if self._happens(0.6):
            article["doi"] = f"10.5555/{self._number(100000, 999999)}"
        return article

    def _thesis(self) -> dict[str, str]:
        title, author = self._title_and_author()
        institution = self._one(_INSTITUTIONS)
        return {"title": title, "author": author, "institution": institution, "published_date": self._year()}

    def _conference(self) -> dict[str, str]:
        year = self._year()
        return {
            "title": f"Conference on {self._one(SUBJECTS)}",
            "publication": f"Proceedings {year}",
            "conference_date": year,
            "venue": self._one(_CITIES),
            "paper_title": self._phrase(_ARTICLE_TITLES),
            "paper_author": self._one(AUTHORS),
        }

    def _dvd(self) -> dict[str, str]:
        return {
            "title": self._phrase(_BOOK_TITLES),
            "author": self._one(AUTHORS),
            "studio": self._one(_STUDIOS),
            "genre": "Documentary",
            "year": self._year(),
            "format": "DVD, region 2",
            "language": "en",
        }

    def _other(self) -> dict[str, str]:
        """Koha has no fields for this type; patrons add their own."""
        return {
            "title": f"Map of {self._one(PLACES)}",
            "scale": f"1:{self._number(1, 50)}0000",
            "sheet number": str(self._number(1, 90)),
        }

    def _resource(self) -> dict[str, str]:
        title, author = self._title_and_author()
        return {
            "title": title,
            "author": author,
            "year": self._year(),
            "volume": str(self._number(1, 9)),
            "pages": str(self._number(20, 600)),
        }

    def _title_and_author(self) -> tuple[str, str]:
        if self._happens(_CHINESE_SHARE):
            title = self._one(_CHINESE_BOOK_TITLES).format(subject=self._one(CHINESE_SUBJECTS))
            return title, self._one(CHINESE_AUTHORS)
        return self._phrase(_BOOK_TITLES), self._one(AUTHORS)

    def _phrase(self, patterns: Sequence[str]) -> str:
        subject = self._one(SUBJECTS)
        return self._one(patterns).format(
            subject=subject, Subject=subject[0].upper() + subject[1:], place=self._one(PLACES)
        )

    def _isbn(self) -> str:
        digits = f"978{self._number(0, 999_999_999):09}"
        weighted = sum(int(digit) * (3 if position % 2 else 1) for position, digit in enumerate(digits))
        return f"{digits}{-weighted % 10}"

    def _issn(self) -> str:
        digits = f"{self._number(0, 9_999_999):07}"
        check = -sum(int(digit) * weight for digit, weight in zip(digits, range(8, 1, -1), strict=True)) % 11
        return f"{digits[:4]}-{digits[4:]}{'X' if check == 10 else check}"

    def _year(self) -> str:
        return str(self._number(_FIRST_YEAR, _LAST_YEAR))

    def _one(self, choices: Sequence[str]) -> str:
        return self._random.choice(choices)

    def _number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def _happens(self, share: float) -> bool:
        return self._random.random() < share
