"""The memo on paper: two pages A4 in Writer and in a browser, whatever the deal."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "memo"))

from memo_deals import DEALS, STAMP, analysed

from xlkmv.language import LANGUAGES
from xlkmv.memo.content import Assumption
from xlkmv.memo.writing import report

pytestmark = pytest.mark.host

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LONG = [Assumption(f"Terms!C{k}", f"An assumption with a name {k}", "1.00%", "long " * 30) for k in range(60)]


@pytest.fixture(scope="module")
def memos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Memos of all deals in all languages, with more assumptions than fit."""
    folder = tmp_path_factory.mktemp("memos")
    for name in DEALS:
        for language in LANGUAGES:
            stem = folder / f"{name}-{language}".replace(" ", "-")
            files = stem.with_suffix(".html"), stem.with_suffix(".docx")
            report(*analysed(name), *files, language=language, assumptions=LONG, stamp=STAMP)
    return folder


def pages(pdf: Path) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf.read_bytes()))


def test_writer_lays_it_out_on_two_pages(memos: Path) -> None:
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("there is no LibreOffice")
    profile = f"-env:UserInstallation={(memos / 'profile').as_uri()}"
    files = sorted(memos.glob("*.docx"))
    command = [office, profile, "--headless", "--convert-to", "pdf", "--outdir", str(memos / "word")]
    subprocess.run([*command, *map(str, files)], check=True, capture_output=True, timeout=300)
    made = sorted((memos / "word").glob("*.pdf"))
    if not made:
        pytest.skip("LibreOffice has no Writer here")
    assert {pdf.stem: pages(pdf) for pdf in made} == dict.fromkeys((f.stem for f in files), 2)


def test_a_browser_prints_it_on_two_pages(memos: Path) -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("there is no browser that prints")
    for page in sorted(memos.glob("*.html")):
        target = page.with_suffix(".pdf")
        options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer")
        profile = f"--user-data-dir={memos / 'browser'}"
        command = [browser, *options, profile, f"--print-to-pdf={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        assert pages(target) == 2, page.stem
