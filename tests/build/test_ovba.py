"""The VBA project writer, against two independent readers and the text of the specifications."""

from __future__ import annotations

import io
import random
import re
import struct
import warnings
from pathlib import Path

import olefile
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyopenvba import cfb as openvba_cfb
from pyopenvba import vba as openvba

from xlkmv.build.ovba import (
    WORKBOOK,
    WORKSHEET,
    Module,
    build_project,
    compress,
    document_module,
    load_module,
)
from xlkmv.errors import InputError

with warnings.catch_warnings():  # oletools uses old names of pyparsing
    warnings.simplefilter("ignore", DeprecationWarning)
    from oletools.olevba import VBA_Parser, decompress_stream

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:oletools")

# ----------------------------------------------------------------------------------------- compression


def decompressed(container: bytes) -> bytes:
    """Read a container with both readers, which must agree."""
    theirs = bytes(decompress_stream(bytearray(container)))
    assert openvba.decompress(container) == theirs
    return theirs


def test_compression_examples_of_the_specification():
    """[MS-OVBA] 3.2.1 to 3.2.3."""
    plain = b"abcdefghijklmnopqrstuv."
    assert compress(plain) == bytes.fromhex("0119B000") + b"abcdefgh\0ijklmnop\0qrstuv."
    normal = b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"
    published = bytes.fromhex(
        "012FB0002361616162636465826600706167"
        "68696A013808616B6C00306D6E6F70067102"
        "70041072737475761077 78797A003C"
    )
    assert decompressed(published) == normal
    assert decompressed(compress(normal)) == normal
    assert len(compress(normal)) <= len(published)
    assert compress(b"a" * 73) == bytes.fromhex("0103B002614500")


def test_empty_text_is_a_signature_alone():
    assert compress(b"") == b"\x01"


SIZES = [1, 2, 3, 8, 9, 4094, 4095, 4096, 4097, 4099, 8191, 8192, 8193, 12288, 12289]
WORDS = [
    b"Dim x As Double\r\n",
    b"    ",
    b"KMV_PD",
    b"Application",
    b'"',
    b", ",
    b"\r\n",
    b"End Function\r\n",
    b"\xe9",
]
texts = st.one_of(
    st.binary(max_size=3000),
    st.builds(
        lambda parts, times: b"".join(parts) * times, st.lists(st.sampled_from(WORDS)), st.integers(1, 80)
    ),
    st.builds(
        lambda size, letters, seed: bytes(random.Random(seed).choices(letters, k=size)),
        st.one_of(st.sampled_from(SIZES), st.integers(0, 13_000)),
        st.sampled_from([b"a", b"ab", b"ab \r\n", bytes(range(32, 127))]),
        st.integers(0, 99),
    ),
)


@settings(deadline=None, max_examples=250)
@given(texts.filter(len))
@example(b"a" * 4096)
@example(b"ab" * 4096 + b"a")
def test_compression_is_read_back(data):
    try:
        container = compress(data)
    except InputError:  # noise; the tests below say when exactly
        assert len(data) % 4096 > 3640
    else:
        assert decompressed(container) == data


@settings(deadline=None, max_examples=50)
@given(st.binary(max_size=9000))
def test_compression_never_grows_beyond_its_flags(data):
    """One flag byte for each eight literals, two bytes for each chunk, one for the container."""
    chunks = -(-len(data) // 4096)
    try:
        assert len(compress(data)) <= 1 + 2 * chunks + len(data) + -(-len(data) // 8)
    except InputError:
        assert len(data) % 4096 > 3640


def test_noise_in_a_full_chunk_is_stored_raw():
    noise = random.Random(1).randbytes(4096)
    container = compress(noise + b"tail")
    assert struct.unpack("<H", container[1:3])[0] == 0x3FFF
    assert decompressed(container) == noise + b"tail"


@pytest.mark.parametrize("size", [1, 3640])
def test_noise_that_fits_with_its_flags_is_exact(size):
    noise = random.Random(2).randbytes(size)
    assert decompressed(compress(noise)) == noise


@pytest.mark.parametrize("size", [3700, 4094, 4095, 4096 + 3700])
def test_noise_that_has_no_exact_form_is_refused(size):
    with pytest.raises(InputError, match="last chunk"):
        compress(random.Random(3).randbytes(size))


@pytest.mark.parametrize("size", range(3600, 4110, 17))
def test_noise_in_a_module_gains_blank_lines_only(size):
    """A comment that cannot be compressed: the code comes back whole, at most blank lines after it."""
    letters = [bytes([i]).decode("cp1252") for i in [*range(33, 127), *range(161, 256)]]
    generator = random.Random(size)
    lines = "".join("'" + "".join(generator.choices(letters, k=250)) + "\r\n" for _ in range(17))
    source = 'Attribute VB_Name = "Noise"\r\n' + lines
    source = source[: size - 2].replace("\r", "").rstrip("\n").replace("\n", "\r\n") + "\r\n"
    found = streams(build_project([Module("Noise", "standard", source)]))["VBA/Noise"]
    back = decompressed(found)
    assert back.startswith(source.encode("cp1252"))
    assert back[len(source) :].strip(b"\r\n") == b""
    assert len(back) <= 4096 * 2


# --------------------------------------------------------------------------------------- whole projects

FUNCTIONS = """Attribute VB_Name = "KmvFunctions"
Option Explicit

Public Function KMV_PD(asset_value, default_point, Optional horizon)
Attribute KMV_PD.VB_Description = "Default probability of the KMV model."
    KMV_PD = Application.Evaluate("1") ' café
End Function"""
CLASS = """VERSION 1.0 CLASS
BEGIN
  MultiUse = -1  'True
END
Attribute VB_Name = "KmvEvents"
Attribute VB_GlobalNameSpace = False
Attribute VB_Creatable = False
Attribute VB_PredeclaredId = True
Attribute VB_Exposed = False
Public WithEvents App As Application
"""


def project(count: int = 3, size: int = 10) -> list[Module]:
    return [
        document_module("ThisWorkbook", WORKBOOK, "Private Sub Workbook_Open()\nEnd Sub\n"),
        document_module("shtHome", WORKSHEET),
        load_module(FUNCTIONS),
        load_module(CLASS),
        *(
            load_module(f'Attribute VB_Name = "M{i}"\n' + "".join(f"' {i * j}\n" for j in range(size)))
            for i in range(count)
        ),
    ]


def streams(data: bytes) -> dict[str, bytes]:
    with olefile.OleFileIO(io.BytesIO(data), raise_defects=olefile.DEFECT_UNSURE) as file:
        assert file.parsing_issues == []
        return {"/".join(path): file.openstream(path).read() for path in file.listdir()}


@pytest.mark.parametrize(("count", "size"), [(0, 1), (3, 900), (150, 10), (12, 3000)])
def test_project_is_read_back_by_both_readers(tmp_path, count, size):
    modules = project(count, size)
    data = build_project(modules, "KMV", description='The "KMV" model')
    found = streams(data)
    for module in modules:
        assert decompressed(found[f"VBA/{module.name}"]) == module.source.encode("cp1252")
    assert len(found) == len(modules) + 4
    assert cfb_problems(data) == []

    file = openvba_cfb.CFB.from_bytes(data)
    parsed = openvba.parse_vba_project(file)
    assert parsed.validate(file) == []
    assert parsed.module_names() == [m.name for m in modules]
    kinds = {"standard": "standard", "class": "other", "document": "other"}
    assert [m.kind.name.lower() for m in parsed.modules] == [kinds[m.kind] for m in modules]
    assert [m.source.encode("cp1252") for m in parsed.modules] == [m.source.encode("cp1252") for m in modules]

    path = tmp_path / "vbaProject.bin"
    path.write_bytes(data)
    parser = VBA_Parser(str(path))
    macros = {name.rpartition(".")[0]: code for _, _, name, code in parser.extract_all_macros()}
    parser.close()
    assert macros.keys() == {m.name for m in modules}
    for module in modules:
        assert macros[module.name].splitlines() == module.source.splitlines()


def test_references_are_read_back():
    parsed = openvba.parse_vba_project(openvba_cfb.CFB.from_bytes(build_project(project())))
    assert [(r.name, r.guid.strip("{}")) for r in parsed.references] == [
        ("stdole", "00020430-0000-0000-C000-000000000046"),
        ("Office", "2DF8D04C-5BFA-101B-BDE5-00AA0044DE52"),
    ]


def decrypted(digits: str, project_id: str) -> bytes:
    """[MS-OVBA] 2.4.3.3 Decryption."""
    seed, version, key, *codes = bytes.fromhex(digits)
    assert version ^ seed == 2
    assert key ^ seed == sum(project_id.encode()) & 0xFF
    plain, one, two, out = key ^ seed, key, version, bytearray()
    for code in codes:
        plain = code ^ (two + plain & 0xFF)
        out.append(plain)
        two, one = one, code
    out = out[(seed & 6) // 2 :]
    (length,) = struct.unpack("<I", out[:4])
    assert length == len(out) - 4
    return bytes(out[4:])


def test_project_stream_says_unprotected_and_visible():
    modules = project(1)
    found = streams(build_project(modules, "KMV", description='a "b"'))
    text = found["PROJECT"].decode("cp1252")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    said = re.findall(r"^(?:Module|Class|Document)=(\w+)(?:/&H00000000)?\r$", text, re.MULTILINE)
    assert said == [m.name for m in modules]
    values = dict(re.findall(r'^(\w+)="(.*)"\r$', text, re.MULTILINE))
    assert values["Name"] == "KMV"
    assert values["Description"] == 'a ""b""'
    assert decrypted(values["CMG"], values["ID"]) == bytes(4)
    assert decrypted(values["DPB"], values["ID"]) == bytes(1)
    assert decrypted(values["GC"], values["ID"]) == b"\xff"
    parsed = openvba.parse_projectwm(found["PROJECTwm"])
    assert "KmvEvents" in str(parsed)


def test_office_compiles_from_source():
    """[MS-OVBA] 2.3.4.1: version 0xFFFF and no cache."""
    assert streams(build_project(project()))["VBA/_VBA_PROJECT"] == bytes.fromhex("CC61FFFF000000")


def test_equal_input_gives_equal_bytes():
    assert build_project(project(), "KMV") == build_project(project(), "KMV")
    assert build_project(project(), "KMV") != build_project(project(), "Other")


def test_modules_keep_what_their_files_say():
    standard = load_module(FUNCTIONS)
    assert (standard.name, standard.kind) == ("KmvFunctions", "standard")
    assert standard.source == FUNCTIONS.replace("\n", "\r\n") + "\r\n"
    own = load_module("\ufeff" + CLASS)
    assert (own.name, own.kind) == ("KmvEvents", "class")
    assert own.source.endswith("Public WithEvents App As Application\r\n")
    assert "VERSION" not in own.source
    assert "Attribute VB_PredeclaredId = True\r\n" in own.source
    assert 'Attribute VB_Base = "0{FCFB3D2A-A0FA-1068-A738-08002B3371B5}"\r\n' in own.source
    book = document_module("ThisWorkbook", WORKBOOK, "Option Explicit")
    assert book.source == (
        'Attribute VB_Name = "ThisWorkbook"\r\n'
        'Attribute VB_Base = "0{00020819-0000-0000-C000-000000000046}"\r\n'
        "Attribute VB_GlobalNameSpace = False\r\n"
        "Attribute VB_Creatable = False\r\n"
        "Attribute VB_PredeclaredId = True\r\n"
        "Attribute VB_Exposed = True\r\n"
        "Attribute VB_TemplateDerived = False\r\n"
        "Attribute VB_Customizable = True\r\n"
        "Option Explicit\r\n"
    )


# -------------------------------------------------------------------------------------------- refusals


def standard(code: str, name: str = "M") -> Module:
    return load_module(f'Attribute VB_Name = "{name}"\n{code}')


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x = 1\n' " + "é" * 1022, r"line 3 of M must have 1023 characters at most \(got 1024\)"),
        ("' 资产", "line 2 of M must be written in Windows-1252 letters"),
        ("x = 1 \x00", "line 2 of M must hold no control characters"),
        ("x = _\n" * 25 + "1", "line 26 of M must not be line continuation number 25"),
        ("\n" * 65_534, "must have 65534 lines at most"),
    ],
)
def test_text_that_the_editor_cannot_hold_is_refused(code, words):
    with pytest.raises(InputError, match=words):
        standard(code)


def test_text_at_the_limits_is_taken():
    standard("' " + "é" * 1021)
    standard("x = _\n" * 24 + "1")
    standard("\t' tab")


@pytest.mark.parametrize("name", ["", "1st", "has space", "_x", "资产", "A" * 32, "Sub", "dir", "x-y"])
def test_bad_names_are_refused(name):
    with pytest.raises(InputError, match="module name"):
        standard("", name)
    with pytest.raises(InputError, match=r"^name must"):
        build_project(project(), name)


def test_module_without_a_name_is_refused():
    with pytest.raises(InputError, match="VB_Name"):
        load_module("Option Explicit\n")


def test_module_with_bare_line_ends_is_refused():
    with pytest.raises(InputError, match="CRLF"):
        Module("M", "standard", "x\ny")


def test_names_used_twice_are_refused():
    with pytest.raises(InputError, match="another module's name \\(got 'm0'\\)"):
        build_project([*project(), standard("", "m0")])
    with pytest.raises(InputError, match="project's"):
        build_project(project(), "thisworkbook")


def test_other_refusals():
    with pytest.raises(InputError, match="at least one"):
        build_project([])
    with pytest.raises(InputError, match="GUID"):
        build_project(project(), project_id="{123}")
    with pytest.raises(InputError, match="description"):
        build_project(project(), description="two\r\nlines")


def test_given_project_id_is_used():
    given_id = "{01234567-89AB-CDEF-0123-456789ABCDEF}"
    assert f'ID="{given_id}"'.encode() in streams(build_project(project(), project_id=given_id))["PROJECT"]


# ------------------------------------------------------------------- strict reading of [MS-CFB] version 3

FREE, END, FAT_SECTOR, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFF
ENTRY = struct.Struct("<64sHBBIII16sIQQIQ")


class Checker:
    """What Windows' own reader relies on; :attr:`problems` lists what is not so."""

    def __init__(self, data: bytes) -> None:
        self.data, self.problems = data, []
        try:
            self.check()
        except (struct.error, IndexError, UnicodeDecodeError) as error:
            self.problems.append(f"cannot be read: {error!r}")

    def must(self, truth: bool, what: str) -> None:
        if not truth:
            self.problems.append(what)

    def sector(self, number: int) -> bytes:
        return self.data[512 * (number + 1) : 512 * (number + 2)]

    def chain(self, start: int, table: list[int], used: dict[int, str], owner: str) -> list[int]:
        out = []
        while start != END:
            if start >= len(table) or start in used:
                self.problems.append(f"{owner}: chain leaves the file or shares sector {start}")
                break
            used[start] = owner
            out.append(start)
            start = table[start]
        return out

    def check(self) -> None:
        data = self.data
        fields = struct.unpack("<8s16sHHHHH6sIIIIIIIII", data[:76])
        signature, clsid, _, major, order, shift, mini_shift, reserved = fields[:8]
        directories, fats, directory, _, cutoff, mini_start, mini_count, difat, difats = fields[8:]
        self.must(len(data) % 512 == 0, "size is no multiple of 512")
        self.must(signature == bytes.fromhex("D0CF11E0A1B11AE1"), "signature")
        self.must(clsid == bytes(16) and reserved == bytes(6), "reserved header fields")
        self.must((major, order, shift, mini_shift) == (3, 0xFFFE, 9, 6), "version, order or sector sizes")
        self.must(directories == 0, "directory sectors are not counted in version 3")
        self.must((cutoff, difat, difats) == (4096, END, 0), "cutoff or DIFAT")
        listed = struct.unpack("<109I", data[76:512])
        self.must(all(x == FREE for x in listed[fats:]), "DIFAT entries beyond the FAT")
        fat = [x for s in listed[:fats] for x in struct.unpack("<128I", self.sector(s))]
        count = len(data) // 512 - 1
        self.must(len(fat) >= count, "FAT too short")
        self.must(all(x == FREE for x in fat[count:]), "FAT entries beyond the file")
        used = dict.fromkeys(listed[:fats], "FAT")
        self.must(all(fat[s] == FAT_SECTOR for s in listed[:fats]), "FAT sector not marked")
        self.must(fat.count(FAT_SECTOR) == fats, "FAT sectors marked elsewhere")
        raw = b"".join(self.sector(s) for s in self.chain(directory, fat, used, "directory"))
        self.entries = [ENTRY.unpack_from(raw, at) for at in range(0, len(raw), ENTRY.size)]
        root = self.entries[0]
        self.must(root[2] == 5 and self.name(0) == "Root Entry", "root entry")
        self.must(root[4] == NONE and root[5] == NONE, "siblings of the root")
        sectors = self.chain(root[11], fat, used, "mini stream") if root[12] else []
        self.must(root[12] % 64 == 0 and len(sectors) == -(-root[12] // 512), "mini stream size")
        table = self.chain(mini_start, fat, used, "mini FAT")
        self.must(len(table) == mini_count, "mini FAT count")
        mini = [x for s in table for x in struct.unpack("<128I", self.sector(s))]
        mini_used: dict[int, str] = {}
        self.must(all(x == FREE for x in mini[root[12] // 64 :]), "mini FAT entries beyond the stream")
        seen = {0}
        self.walk(root[6], (0, ""), (99, ""), seen, fat, used, mini, mini_used)
        for number, entry in enumerate(self.entries):
            if number not in seen:
                self.must(entry == ENTRY.unpack(unused_entry()), f"unused entry {number} is not blank")
        self.must(sum(x != FREE for x in fat[:count]) == len(used), "sectors that nothing uses")
        self.must(sum(x != FREE for x in mini) == len(mini_used), "mini sectors that nothing uses")

    def name(self, number: int) -> str:
        raw, size = self.entries[number][:2]
        self.must(2 <= size <= 64 and size % 2 == 0 and not any(raw[size - 2 :]), f"name of entry {number}")
        return raw[: size - 2].decode("utf-16le")

    def walk(self, number, low, high, seen, fat, used, mini, mini_used) -> None:
        if number == NONE:
            return
        if number in seen or number >= len(self.entries):
            self.problems.append(f"entry {number} twice or missing")
            return
        seen.add(number)
        _, _, kind, color, left, right, child, _, state, made, changed, start, size = self.entries[number]
        name = self.name(number)
        key = (len(name), name.upper())
        self.must(low < key < high, f"{name}: order of siblings")
        self.must(color == 1, f"{name}: a red entry needs the rules of red-black trees")
        self.must((state, made) == (0, 0) or kind == 1, f"{name}: dates of a stream")
        self.must(kind in (1, 2), f"{name}: kind")
        if kind == 2:
            self.must(child == NONE, f"{name}: child of a stream")
            self.must(changed == 0, f"{name}: dates of a stream")
            small = size < 4096
            chain = self.chain(start, mini if small else fat, mini_used if small else used, name)
            self.must(len(chain) == -(-size // (64 if small else 512)), f"{name}: size against chain")
        else:
            self.must((start, size) == (0, 0), f"{name}: a storage has no data")
            self.walk(child, (0, ""), (99, ""), seen, fat, used, mini, mini_used)
        self.walk(left, low, key, seen, fat, used, mini, mini_used)
        self.walk(right, key, high, seen, fat, used, mini, mini_used)


def unused_entry() -> bytes:
    return ENTRY.pack(b"", 0, 0, 0, NONE, NONE, NONE, bytes(16), 0, 0, 0, 0, 0)


def cfb_problems(data: bytes) -> list[str]:
    return Checker(data).problems


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(st.from_regex(r"\A[A-Za-z][A-Za-z0-9_]{0,9}\Z"), st.integers(0, 1200)),
        min_size=1,
        max_size=40,
        unique_by=lambda pair: pair[0].lower(),
    )
)
def test_any_project_conforms(pairs):
    modules = []
    for name, size in pairs:
        code = "".join(f"' {i * 7919 % 10007}\n" for i in range(size))
        modules.append(standard(code, "x_" + name))
    data = build_project(modules, "P")
    assert cfb_problems(data) == []
    assert {f"VBA/{m.name}" for m in modules} < streams(data).keys()


def test_checker_finds_planted_faults():
    """A checker that finds nothing proves nothing: every one of these must be noticed."""
    good = build_project(project(20, 900))
    assert cfb_problems(good) == []
    (directory,) = struct.unpack("<I", good[48:52])
    entries = 512 * (directory + 1)
    (fat,) = struct.unpack("<I", good[76:80])
    (mini_fat,) = struct.unpack("<I", good[60:64])
    faults = {
        0: "signature",
        26: "major version",
        40: "directory count",
        44: "FAT count",
        57: "cutoff",
        64: "mini FAT count",
        80: "second FAT sector",
        entries + 66: "kind of the root",
        entries + 120: "size of the mini stream",
        entries + 128 + 64: "length of a name",
        entries + 128 + 67: "colour",
        entries + 128 + 68: "left sibling",
        entries + 2 * 128 + 116: "start of a stream",
        entries + 2 * 128 + 121: "size of a stream",
        512 * (fat + 1): "FAT chain",
        512 * (mini_fat + 1): "mini FAT chain",
    }
    missed = []
    for place, what in faults.items():
        bad = bytearray(good)
        bad[place] ^= 0x05
        if not cfb_problems(bytes(bad)):
            missed.append(what)
    assert missed == []
    assert cfb_problems(good[:-512])
    assert cfb_problems(good + bytes(100))


def test_project_too_large_for_the_header_is_refused(monkeypatch):
    monkeypatch.setattr("xlkmv.build.ovba.HEADER_DIFAT", 1)
    with pytest.raises(InputError, match="must fit"):
        build_project(project(40, 900))


def test_this_file_needs_no_office():
    """The writer stands alone: nothing but the standard library and the error tree."""
    source = Path("xlkmv/build/ovba.py")
    if not source.exists():
        source = Path(__file__).parents[2] / source
    found = re.findall(r"^(?:from|import) (\w+)", source.read_text("utf-8"), re.MULTILINE)
    assert set(found) == {
        "__future__",
        "re",
        "struct",
        "uuid",
        "collections",
        "dataclasses",
        "typing",
        "xlkmv",
    }
