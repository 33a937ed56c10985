"""What can be claimed: names in normal form, and the refs whose clashes are the lock."""

import os
import subprocess
import sys
import unicodedata
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitclaim.errors import UsageError
from gitclaim.names import RefName, is_printable
from gitclaim.resources import (
    COMPONENT_LIMIT,
    Kind,
    Resource,
    ancestors,
    encode_component,
    explicit,
    is_above,
    normal_path,
    parse_argument,
    parse_spec,
    quote,
    reduced,
    topic_normal_form,
    unquote,
)
from tests.kit.hostile import COMPONENTS, PROPERTY, WORDS


def caseless(text: str) -> str:
    """The Unicode standard's canonical caseless form (D145), written down a second time."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def path(name: str) -> Resource:
    return explicit(Kind.PATH, name)


def argument(text: str, *, prefix: str = "", paths: tuple[str, ...] = ()) -> Resource:
    return parse_argument(text, prefix=prefix, tops=("/repo",), is_path=paths.__contains__)


PATHS = st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join)
# Few names, so that two of them often meet; most differ only in what a file system may ignore, or by our own escapes.
NEAR_WORDS = (
    "a A b \u00e9 e\u0301 \u00c9 \u00df ss \u1e9e k \u212a .a %2Ea %2ea a.lock a%2Elock a..b a.%2Eb @ %40 "
    "\udcff %FF \u00ff a%20b"
)
NEAR_NAMES = [*NEAR_WORDS.split(" "), "a b", "x" * 300, "X" * 300, "x" * 299 + "y"]
NEAR = st.lists(st.sampled_from(NEAR_NAMES), min_size=1, max_size=3).map("/".join)


@given(st.one_of(st.tuples(NEAR, NEAR), st.tuples(PATHS, PATHS)))
@PROPERTY
def test_paths_overlap_exactly_when_their_refs_do(pair: tuple[str, str]) -> None:
    """Git's clash of refs is the exclusion we promise: same, above or below, by name as file systems see it."""
    one, other = (path(name) for name in pair)
    parts = [[caseless(part) for part in name.split("/")] for name in pair]
    short, long = sorted(parts, key=len)

    by_name = long[: len(short)] == short
    by_ref = one.ref == other.ref or is_above(one.ref, other.ref) or is_above(other.ref, one.ref)

    assert by_ref == by_name
    assert one.overlaps(other) == by_name
    assert other.overlaps(one) == by_name


@given(COMPONENTS, COMPONENTS)
@PROPERTY
@example("x" * 300, "x" * 301)
@example("a%2E", "a.")
@example("\udcff", "%FF")
def test_two_names_share_a_ref_only_if_they_are_caselessly_equal(one: str, other: str) -> None:
    """Escapes never collide with names that spell them out, nor do names that were cut."""
    for name in (one, other):
        code = encode_component(name)
        assert code not in {encode_component(code), ""} or code == caseless_nfc(name)
    assert (encode_component(one) == encode_component(other)) == (caseless(one) == caseless(other))


def caseless_nfc(text: str) -> str:
    return unicodedata.normalize("NFC", caseless(text))


@given(COMPONENTS)
@PROPERTY
def test_every_spelling_of_a_name_has_one_ref(name: str) -> None:
    """Upper, lower and folded case, composed or not: one file for some file system, so one ref."""
    code = encode_component(name)

    for form in ("NFC", "NFD"):
        assert encode_component(unicodedata.normalize(form, name)) == code
        assert encode_component(unicodedata.normalize(form, name.casefold())) == code
    assert encode_component(caseless(name)) == code


def test_folding_is_stable_for_every_character() -> None:
    """A name folded twice is the name folded once, for all of Unicode; else two sessions would differ."""
    for code in range(0x80, sys.maxunicode + 1):
        char = chr(code)
        folded = unicodedata.normalize("NFC", unicodedata.normalize("NFD", char).casefold())
        if folded != char:
            assert encode_component(f"a{folded}") == encode_component(f"a{char}"), hex(code)


@given(COMPONENTS)
@PROPERTY
def test_a_component_stays_within_its_limit(name: str) -> None:
    """File names have 255 bytes at most, and git adds `.lock`."""
    assert len(encode_component(name).encode()) <= COMPONENT_LIMIT


def accepts(refs: list[str]) -> bool:
    """Whether git takes all of these for ref names; nothing is written."""
    zero = "0" * 40
    lines = ["start", *(f"verify {ref} {zero}" for ref in refs), "abort", ""]
    done = subprocess.run(
        ["git", "update-ref", "--stdin"],
        input="\n".join(lines).encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


@pytest.fixture
def empty_repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("empty_repo")
def test_git_accepts_every_ref() -> None:
    """What git-check-ref-format(1) forbids is escaped, all of it."""
    refs: list[str] = []

    @given(st.one_of(PATHS, NEAR))
    @PROPERTY
    def check(name: str) -> None:
        ref = path(name).ref
        assert is_printable(ref)
        assert " " not in ref
        refs.append(ref)

    check()
    # One process for all; one for each only to name the culprit.
    assert accepts(refs) or [ref for ref in refs if not accepts([ref])] == []
    assert not accepts(["refs/claims/path/a..b"])


@pytest.mark.usefixtures("empty_repo")
def test_git_accepts_every_character_at_every_place() -> None:
    chars = [chr(code) for code in [*range(1, 0x3100), *range(0xFB00, 0x10000)] if chr(code) != "/"]
    doubled = [char * 2 for char in chars if char != "."]
    assert accepts([path(name).ref for char in chars for name in (f"{char}a", f"a{char}", f"a{char}b")])
    assert accepts([path(name).ref for name in doubled])


@given(WORDS, st.sampled_from([Kind.TASK, Kind.LANE, Kind.TOPIC, Kind.PATH]))
@PROPERTY
@example("/ a", Kind.TASK)
@example("a / b", Kind.LANE)
@example("\ud800", Kind.TASK)
@example("\udcc3\udca9", Kind.PATH)
@example("a\x85b", Kind.TOPIC)
def test_what_can_be_claimed_reads_back_from_its_spec(name: str, kind: Kind) -> None:
    try:
        resource = explicit(kind, name)
    except UsageError as error:
        assert is_printable(error.message)  # noqa: PT017 - most names are fine
        return
    assert parse_spec(resource.spec) == resource
    assert explicit(kind, resource.name) == resource
    assert is_printable(resource.spec)
    assert is_printable(resource.text)
    assert RefName(resource.ref) == resource.ref


@given(st.one_of(WORDS, PATHS))
@PROPERTY
@example("\r\n")
def test_quoting_is_undone_by_unquoting(name: str) -> None:
    name = os.fsdecode(os.fsencode(name))
    assert unquote(quote(name)) == name
    assert is_printable(quote(name))
    assert quote(name).strip() == quote(name)


@pytest.mark.parametrize("text", ['"', '"a', '"a"b"', '"\\"', '"\\x41"', '"\\777"', '"\\8"', '"a\\'])
def test_broken_quoting_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="broken quoting"):
        unquote(text)


@pytest.mark.parametrize(
    ("name", "ref"),
    [
        ("src//a.py", "src/a.py"),
        ("./src//a.py", "src/a.py"),
        ("src/./a.py/", "src/a.py"),
        ("src/x/../a.py", "src/a.py"),
        ("README.md", "readme.md"),
        ("Straße", "strasse"),
        ("caf\u00e9", "caf\u00e9"),
        ("cafe\u0301", "caf\u00e9"),
        ("app/[id]/page.tsx", "app/%5Bid]/page.tsx"),
        ("{x}/$y", "{x}/$y"),
        ("my file", "my%20file"),
        (" lead", "%20lead"),
        (".github", "%2Egithub"),
        ("...", "%2E.%2E"),
        ("a..b", "a.%2Eb"),
        ("a...b", "a.%2E.b"),
        ("a.", "a%2E"),
        ("poetry.lock", "poetry%2Elock"),
        ("poetry.LOCK", "poetry%2Elock"),
        ("a.lock.lock", "a.lock%2Elock"),
        ("a.lock/b", "a%2Elock/b"),
        ("@", "%40"),
        ("@@", "@@"),
        ("a@{1}", "a%40{1}"),
        ("100%", "100%25"),
        ("a\\b", "a%5Cb"),
        ("a:b", "a%3Ab"),
        ("-x", "-x"),
        ("\udcff\udcfe", "%FF%FE"),
        ("🚀", "🚀"),
        ("\u200d", "%E2%80%8D"),
        ("\x1b[31m", "%1B%5B31m"),
        ("git", "git"),
        ("a.git", "a.git"),
        (".gitignore", "%2Egitignore"),
    ],
)
def test_a_path_has_this_ref(name: str, ref: str) -> None:
    """The encoding is a format: sessions of every version must agree on it."""
    assert path(name).ref == f"refs/claims/path/{ref}"


def test_the_whole_repository_is_above_every_path() -> None:
    assert path(".").ref == "refs/claims/path"
    assert path(".").overlaps(path("src/a.py"))
    assert not path(".").overlaps(explicit(Kind.TASK, "src"))


def test_a_long_name_is_cut_and_told_apart_by_a_hash() -> None:
    """The mark stands on the whole name; a cut never leaves half an escape or half a character."""
    assert path("n" * 200).ref.endswith("n" * 200)
    assert path("n" * 201).ref == f"refs/claims/path/{'n' * 166}%-{sha256(b'n' * 201).hexdigest()[:32]}"
    assert path("n" * 300).ref == path("N" * 300).ref
    for name in ("n" * 300, "é" * 150, "%" * 90, "a" + "%" * 90, "aa" + "%" * 90, "🚀" * 60):
        component = path(name).ref.rpartition("/")[2]
        head, _, mark = component.rpartition("%-")
        assert len(mark) == 32
        assert not head.endswith(("%", "%2"))
        assert len(component.encode()) > COMPONENT_LIMIT - 5
    assert path("n" * 300).ref != path("n" * 301).ref


@pytest.mark.parametrize(
    ("text", "prefix", "expected"),
    [
        ("a.py", "src", "src/a.py"),
        ("../a.py", "src/deep", "src/a.py"),
        ("../../a.py", "src/deep", "a.py"),
        (".", "src", "src"),
        ("..", "src", "."),
        ("/repo/src/a.py", "elsewhere", "src/a.py"),
        ("/repo", "src", "."),
        ("/repo/", "src", "."),
        ("//repo//src/./a.py", "", "src/a.py"),
        ("/repo/../repo/src", "", "src"),
        ("/real/x/a", "", "a"),
    ],
)
def test_a_path_is_relative_to_where_it_was_written(text: str, prefix: str, expected: str) -> None:
    assert normal_path(text, prefix=prefix, tops=("/repo", "/real/x/")) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "can't be empty"),
        ("a\0b", "NUL"),
        ("..", "outside"),
        ("a/../../b", "outside"),
        ("/etc/passwd", "outside"),
        ("/repository/a", "outside"),
        ("/repo/../etc", "outside"),
        (".git", r"inside \.git"),
        (".git/config", r"inside \.git"),
        ("sub/.GIT/config", r"inside \.git"),
        ("a\ud800", "is no text"),
    ],
)
def test_what_is_no_path_of_the_repository_is_an_error(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        normal_path(text, prefix="", tops=("/repo",))
    assert caught.value.hint or "NUL" in complaint
    assert is_printable(caught.value.message)


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("src/a.py", Kind.PATH, "src/a.py"),
        ("path:task:x", Kind.PATH, "task:x"),
        ("./task:x", Kind.PATH, "task:x"),
        ("docs/a:b", Kind.PATH, "docs/a:b"),
        ("task:gptme/gptme#2602", Kind.TASK, "gptme/gptme#2602"),
        ("task: spaced  ", Kind.TASK, "spaced"),
        ("task://a//b/", Kind.TASK, "a/b"),
        ("lane:deploy", Kind.LANE, "deploy"),
        ("lane:deploy/2", Kind.LANE, "deploy/2"),
        ("topic:Pagination", Kind.TOPIC, "Pagination"),
        ("pagination  of users", Kind.TOPIC, "pagination of users"),
        ("with space.txt", Kind.PATH, "with space.txt"),
        ("../over there", Kind.TOPIC, "../over there"),
    ],
)
def test_an_argument_says_what_it_is(text: str, kind: Kind, name: str) -> None:
    assert argument(text, paths=("with space.txt",)) == Resource(kind, name)


def test_an_argument_is_relative_to_the_directory_it_was_given_in() -> None:
    assert argument("path:a.py", prefix="src") == path("src/a.py")
    assert argument("my notes", prefix="src", paths=("src/my notes",)) == path("src/my notes")
    assert argument("task:a.py", prefix="src") == explicit(Kind.TASK, "a.py")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        ("path:", "empty"),
        ("task:", "needs a name"),
        ("task: / ", "needs a name"),
        ("lane:", "needs a name"),
        ("lane:a/b", "not a lane"),
        ("lane:a/0", "not a lane"),
        ("lane:a/1/2", "not a lane"),
        ("lane:a/\u0663", "not a lane"),
        ("topic:", "needs a word"),
        ("topic:?!", "needs a word"),
        ("task:a\nb", "control characters"),
        ("toppic:x", "unknown kind of resource: toppic:"),
        ("Path:x", "unknown kind of resource: Path:"),
        ("C:x", "unknown kind"),
    ],
)
def test_an_argument_that_means_nothing_is_an_error(text: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        argument(text)


def test_an_unknown_kind_shows_the_way_out() -> None:
    with pytest.raises(UsageError) as caught:
        argument("urgent:fix")
    assert "path:urgent:fix" in (caught.value.hint or "")


NO_SPECS = (
    'src unknown:x path: path:./a path:a//b path:../a task:a/ lane:a/b topic: :a path:"a path:"\\000" path:.git/x '
    "task:e\u0301"
)


@pytest.mark.parametrize("text", [*NO_SPECS.split(" "), "task: a", "topic:a  b"])
def test_a_spec_that_is_not_in_normal_form_is_no_resource(text: str) -> None:
    """A claim that lists a name in two spellings could be complete for one reader and torn for another."""
    with pytest.raises(ValueError, match=r".") as caught:
        parse_spec(text)
    assert is_printable(str(caught.value))


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Pagination of the Users", "pagination-users"),
        ("users:  PAGINATION!", "users-pagination"),
        ("the", "the"),
        ("On and off", "off"),
        ("Überall É", "überall-é"),
        ("snake_case/kebab-case", "snake_case-kebab-case"),
    ],
)
def test_a_topic_loses_the_accidents_of_its_wording(text: str, normal: str) -> None:
    assert topic_normal_form(text) == normal
    assert explicit(Kind.TOPIC, text).ref == f"refs/claims/topic/{normal}"


def test_every_character_that_makes_a_word_leaves_one() -> None:
    """Folding never turns the one word of a topic into nothing, which would claim all topics."""
    for code in range(sys.maxunicode + 1):
        char = chr(code)
        # A letter that nothing decomposes stays what it is.
        if char.isalnum() and (not char.isalpha() or unicodedata.decomposition(char)):
            assert topic_normal_form(char), hex(code)


def test_lanes_and_tasks_nest() -> None:
    """The bare lane excludes its slots, the epic its children; slots and siblings go side by side."""
    lane, one, two = (explicit(Kind.LANE, name) for name in ("deploy", "deploy/1", "deploy/2"))
    epic, child = (explicit(Kind.TASK, name) for name in ("epic", "epic/child"))

    assert lane.overlaps(one)
    assert epic.overlaps(child)
    assert not one.overlaps(two)
    assert not epic.overlaps(lane)


def test_the_ancestors_of_a_ref_end_at_the_root_of_all_claims() -> None:
    assert ancestors(path("src/a").ref) == ["refs/claims/path/src", "refs/claims/path", "refs/claims"]
    assert ancestors(RefName("refs/claims")) == []
    assert ancestors(RefName("refs/heads/main")) == []


def test_reduced_resources_cover_all_and_never_each_other() -> None:
    listed = [path("src/a"), path("lib"), path("SRC"), path("src"), explicit(Kind.TASK, "src/a"), path("src2")]
    assert reduced(listed) == (path("lib"), path("SRC"), explicit(Kind.TASK, "src/a"), path("src2"))


@pytest.mark.parametrize(
    ("resource", "text"),
    [
        (path("src/a b"), "src/a b"),
        (path("task:x"), "path:task:x"),
        (path("a\x1b[31m\udcff"), "a\\x1b[31m\\xff"),
        (explicit(Kind.TASK, "x\u202ey"), "task:x\\u202ey"),
    ],
)
def test_the_text_of_a_resource_is_safe_to_print(resource: Resource, text: str) -> None:
    assert resource.text == text
