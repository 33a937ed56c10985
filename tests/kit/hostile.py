"""Names and texts that break things, for properties."""

from hypothesis import settings
from hypothesis import strategies as st

PROPERTY = settings(deadline=None, database=None, max_examples=100)
"""No deadline, because machines differ; no database, because a failure has to be made an example to be kept."""

# Separated by spaces, so that the list stays readable.
_ODD = (
    ". .. ... .lock .LOCK @ @{ @{1} % %2E %2e %- %FF ~ ^ : ? * [ [id] {x} \\ \" ' - -- # .git "
    "\u00e9 e\u0301 \u00c9 \u00df \u1e9e \u017f \u0130 \u0131 \u212a \u0345 \ufb01 \x1b[31m \x7f "
    "\u202e \u200d \ufeff \udcff \udc80 \udcc3 \U0001f680 \U000e0041"
)
_SPACES = [" ", "  ", "\t", "\n", "\r", "\x85", "\xa0", "\u2028", "\u3000"]
_LONG = ["x" * 99, "\u00e9" * 80, "%" * 70]
_SPECIAL = st.sampled_from([*_ODD.split(" "), *_SPACES, *_LONG, "Claim: x"])
WORDS = st.lists(
    st.one_of(
        _SPECIAL,
        st.just("/"),
        st.characters(exclude_characters="\0", exclude_categories=["Cs"]),
        st.from_regex("[a-z0-9]{1,8}", fullmatch=True),
    ),
    max_size=8,
).map("".join)
"""Any text that a command line can carry."""


def _is_component(text: str) -> bool:
    # Bytes that are UTF-8 are spelt as their characters, as the file system's decoder does.
    whole = text.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == text
    return text not in {"", ".", ".."} and text.casefold() != ".git" and whole


COMPONENTS = WORDS.map(lambda text: text.replace("/", "")).filter(_is_component)
"""Any name a file can have."""
