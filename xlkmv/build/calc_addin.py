"""Build ``xlkmv.oxt``: the worksheet functions and a KMV menu for LibreOffice Calc.

Everything in it is generated from the registry; :mod:`xlkmv.build.calc_component` is the code that
runs inside LibreOffice. A formula stored by Excel as ``KMV_PD(...)`` is found by its compatibility
name and saved back unchanged.

What Calc hands to an add-in is not quite what Excel does:

- A blank cell arrives as 0 when it is given alone (``A1``), and as blank inside a range (also ``A1:A1``).
  Left-out arguments, also between two commas, take their defaults as in Excel.
- An error cell given alone is the result of the function, whichever error it is. One error inside a
  range makes the whole result Err:504, because Calc then does not call the function at all.
- TRUE and dates arrive as numbers.
- Results do not spill: enter a table function with Ctrl+Shift+Enter over a range, or pick cells with INDEX.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import xlkmv
from xlkmv.build.ribbon import pack
from xlkmv.functions import FUNCTIONS
from xlkmv.functions.registry import Argument, Function
from xlkmv.hosts.calc import IDENTIFIER, describe, environment
from xlkmv.language import catalogue

__all__ = ["build_addin"]

SERVICE = "org.xlkmv.Functions"
COMPONENT = "calc_component.py"


def build_addin(
    path: str | os.PathLike[str],
    found: Mapping[str, Any] | None = None,
    functions: Mapping[str, Function] = FUNCTIONS,
) -> Path:
    """Write the extension for LibreOffice.

    Parameters
    ----------
    path : path-like
        Where to write; an existing file is replaced. Equal inputs give equal bytes.
    found : mapping, optional
        The Python environment that the functions run in; by default that of this process.
    functions : mapping of str to Function
        What to offer; by default the whole registry.

    Returns
    -------
    Path
    """
    place = environment() if found is None else found
    known = {**place, "functions": {_internal(name): name for name in functions}}
    parts = {
        "META-INF/manifest.xml": MANIFEST,
        "description.xml": DESCRIPTION.format(identifier=IDENTIFIER, version=xlkmv.__version__),
        "description.txt": describe(place, functions),
        "XFunctions.idl": _idl(functions),
        "CalcAddIns.xcu": _functions_xcu(functions),
        "Addons.xcu": _menu_xcu(),
        "ProtocolHandler.xcu": PROTOCOL_HANDLER,
        "environment.json": json.dumps(known, ensure_ascii=False, indent=1),
        COMPONENT: Path(__file__).with_name(COMPONENT).read_text("utf-8"),
    }
    target = Path(path)
    target.write_bytes(pack({name: content.encode() for name, content in parts.items()}))
    return target


# ------------------------------------------------------------------------------ the interface


def _internal(name: str) -> str:
    """Name of a method: KMV_SAFE_ISSUE is kmvSafeIssue."""
    first, *others = name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)


def _parameter(argument: Argument) -> str:
    """Name of a parameter; the prefix keeps clear of the words of the language."""
    return "p" + "".join(word.capitalize() for word in argument.name.split("_"))


def _idl(functions: Mapping[str, Function]) -> str:
    """Write the interface: every argument is ``any``, the only type that may be left out."""
    lines = ["module org { module xlkmv {", "interface XFunctions {"]
    for name, function in functions.items():
        types = ["any"] * len(function.arguments)
        if function.variadic:
            types[-1] = "sequence< any >"
        arguments = ", ".join(
            f"[in] {kind} {_parameter(argument)}"
            for kind, argument in zip(types, function.arguments, strict=True)
        )
        lines.append(f"    sequence< sequence< any > > {_internal(name)}({arguments});")
    return "\n".join([*lines, "};", "}; };", ""])


# -------------------------------------------------------------------------- the configuration


def _registry(name: str, package: str, body: Sequence[str]) -> str:
    return "\n".join(
        (
            '<?xml version="1.0" encoding="UTF-8"?>',
            '<oor:component-data xmlns:oor="http://openoffice.org/2001/registry"'
            ' xmlns:xs="http://www.w3.org/2001/XMLSchema"'
            f' oor:name="{name}" oor:package="{package}">',
            *body,
            "</oor:component-data>",
            "",
        )
    )


def _property(name: str, value: str, language: str | None = "en") -> str:
    mark = f" xml:lang={quoteattr(language)}" if language else ""
    return f'<prop oor:name="{name}"><value{mark}>{escape(value)}</value></prop>'


def _translated(name: str, english: str, chinese: str) -> str:
    """Write a text that LibreOffice shows in the language of its menus."""
    texts = (("en", english), ("zh-CN", chinese))
    values = (f"<value xml:lang={quoteattr(mark)}>{escape(text)}</value>" for mark, text in texts)
    return f'<prop oor:name="{name}">{"".join(values)}</prop>'


def _functions_xcu(functions: Mapping[str, Function]) -> str:
    say = catalogue("zh").gettext
    body = [f'<node oor:name="AddInInfo"><node oor:name="{SERVICE}" oor:op="replace">']
    body.append('<node oor:name="AddInFunctions">')
    for name, function in functions.items():
        body.append(f'<node oor:name="{_internal(name)}" oor:op="replace">')
        body.append(_property("DisplayName", name))
        body.append(_translated("Description", function.text, say(function.text)))
        body.append(_property("Category", "Add-In", None))
        # Under this name Excel files hold the function.
        body.append(_property("CompatibilityName", name, "en-US"))
        body.append('<node oor:name="Parameters">')
        for argument in function.arguments:
            body.append(f'<node oor:name="{_parameter(argument)}" oor:op="replace">')
            body.append(_property("DisplayName", argument.name))
            body.append(_translated("Description", argument.text, say(argument.text)))
            body.append("</node>")
        body.append("</node></node>")
    body.append("</node></node></node>")
    return _registry("CalcAddIns", "org.openoffice.Office", body)


MENU = {
    "refresh": ("Refresh workbook", "刷新工作簿"),
    "quick": ("Quick look", "速览"),
    "solve": ("Solve structure", "结构求解"),
    "case": ("Save case", "保存情形"),
    "compare": ("Compare cases", "情形对比"),
    "memo": ("Memo", "备忘录"),
    "check": ("Check installation", "检查安装"),
}


def _menu_xcu() -> str:
    body = ['<node oor:name="AddonUI"><node oor:name="OfficeMenuBar">']
    body.append('<node oor:name="org.xlkmv.menu" oor:op="replace">')
    context = "com.sun.star.sheet.SpreadsheetDocument"
    body += [_property("Context", context, None), _property("Title", "KMV")]
    body.append('<node oor:name="Submenu">')
    for place, (command, (english, chinese)) in enumerate(MENU.items()):
        # LibreOffice sorts the entries by the names of their nodes.
        body.append(f'<node oor:name="m{place}" oor:op="replace">')
        body.append(_property("URL", f"org.xlkmv.menu:{command}", None))
        body.append(_translated("Title", english, chinese))
        body += [_property("Target", "_self", None), _property("Context", context, None), "</node>"]
    body.append("</node></node></node></node>")
    return _registry("Addons", "org.openoffice.Office", body)


PROTOCOL_HANDLER = _registry(
    "ProtocolHandler",
    "org.openoffice.Office",
    (
        '<node oor:name="HandlerSet"><node oor:name="org.xlkmv.Menu" oor:op="replace">',
        '<prop oor:name="Protocols"><value>org.xlkmv.menu:*</value></prop>',
        "</node></node>",
    ),
)

MANIFEST = f"""<?xml version="1.0" encoding="UTF-8"?>
<manifest:manifest xmlns:manifest="http://openoffice.org/2001/manifest">
<manifest:file-entry manifest:full-path="XFunctions.idl"
 manifest:media-type="application/vnd.sun.star.uno-typelibrary;type=RDB"/>
<manifest:file-entry manifest:full-path="{COMPONENT}"
 manifest:media-type="application/vnd.sun.star.uno-component;type=Python"/>
<manifest:file-entry manifest:full-path="CalcAddIns.xcu"
 manifest:media-type="application/vnd.sun.star.configuration-data"/>
<manifest:file-entry manifest:full-path="Addons.xcu"
 manifest:media-type="application/vnd.sun.star.configuration-data"/>
<manifest:file-entry manifest:full-path="ProtocolHandler.xcu"
 manifest:media-type="application/vnd.sun.star.configuration-data"/>
</manifest:manifest>
"""

DESCRIPTION = """<?xml version="1.0" encoding="UTF-8"?>
<description xmlns="http://openoffice.org/extensions/description/2006"
 xmlns:xlink="http://www.w3.org/1999/xlink">
<identifier value="{identifier}"/>
<version value="{version}"/>
<display-name><name lang="en">xlkmv: the KMV model in Calc</name></display-name>
<extension-description><src xlink:href="description.txt" lang="en"/></extension-description>
</description>
"""
