"""Call the server with hand-made VARIANTs, as VBA does: pywin32 alone cannot send error cells (Windows).

Run as a program it takes a list of calls as JSON, ``[[name, [argument, ...]], ...]``, and prints the answers.
Arguments: numbers, texts, null (blank), ``{"error": code}``, lists of rows.
"""

from __future__ import annotations

import ctypes
import json
import sys
from ctypes import POINTER, Structure, byref, c_double, c_int16, c_long, c_uint, c_ulong, c_ushort, c_void_p
from typing import Any

VT_EMPTY, VT_R8, VT_BSTR, VT_ERROR, VT_BOOL, VT_VARIANT, VT_ARRAY = 0, 5, 8, 10, 11, 12, 0x2000
LOCAL_SERVER = 4
METHOD_OR_GET = 3  # as VBA asks


class GUID(Structure):
    _fields_ = [("data", ctypes.c_ubyte * 16)]


class VARIANT(Structure):
    _fields_ = [
        ("vt", c_ushort),
        ("reserved", c_ushort * 3),
        ("value", ctypes.c_ubyte * 8),
        ("more", ctypes.c_ubyte * 8),
    ]

    def put(self, kind: int, ctype: Any, value: Any) -> VARIANT:
        self.vt = kind
        ctype.from_buffer(self.value).value = value
        return self

    def get(self, ctype: Any) -> Any:
        return ctype.from_buffer(self.value).value


class BOUND(Structure):
    _fields_ = [("count", c_ulong), ("lowest", c_long)]


class PARAMETERS(Structure):
    _fields_ = [("values", POINTER(VARIANT)), ("names", c_void_p), ("count", c_uint), ("named", c_uint)]


def variant(value: Any) -> VARIANT:
    ole = ctypes.windll.oleaut32
    out = VARIANT()
    if value is None:
        return out
    if isinstance(value, bool):
        return out.put(VT_BOOL, c_int16, -int(value))
    if isinstance(value, dict):
        return out.put(VT_ERROR, c_long, value["error"])
    if isinstance(value, (int, float)):
        return out.put(VT_R8, c_double, float(value))
    if isinstance(value, str):
        ole.SysAllocString.restype = c_void_p
        return out.put(VT_BSTR, c_void_p, ole.SysAllocString(ctypes.c_wchar_p(value)))
    ole.SafeArrayCreate.restype = c_void_p
    rows = value if isinstance(value[0], list) else None
    shape = (len(rows), len(rows[0])) if rows else (len(value),)
    lowest = 1 if rows else 0  # ranges count from 1, Array() from 0
    bounds = (BOUND * len(shape))(*(BOUND(n, lowest) for n in shape))
    array = c_void_p(ole.SafeArrayCreate(c_ushort(VT_VARIANT), c_uint(len(shape)), bounds))
    for i in range(shape[0]):
        for j in range(shape[1]) if rows else [None]:
            cell = variant(rows[i][j] if rows else value[i])
            place = (c_long * len(shape))(*(k + lowest for k in ((i,) if j is None else (i, j))))
            ole.SafeArrayPutElement(array, place, byref(cell))
    return out.put(VT_ARRAY | VT_VARIANT, c_void_p, array.value)


def plain(answer: VARIANT) -> Any:
    ole = ctypes.windll.oleaut32
    if answer.vt & VT_ARRAY:
        array = c_void_p(answer.get(c_void_p))
        tops = []
        for dimension in range(1, ole.SafeArrayGetDim(array) + 1):
            top = c_long()
            ole.SafeArrayGetUBound(array, c_uint(dimension), byref(top))
            tops.append(top.value)
        assert len(tops) == 2, tops
        out = []
        for i in range(tops[0] + 1):
            out.append([])
            for j in range(tops[1] + 1):
                cell = VARIANT()
                ole.SafeArrayGetElement(array, (c_long * 2)(i, j), byref(cell))
                out[-1].append(plain(cell))
        return out
    if answer.vt == VT_R8:
        return answer.get(c_double)
    if answer.vt == VT_BSTR:
        return ctypes.wstring_at(answer.get(c_void_p))
    if answer.vt == VT_BOOL:
        return bool(answer.get(c_int16))
    return {"kind": answer.vt}


class Server:
    """The registered class, late bound."""

    def __init__(self, clsid: str) -> None:
        ole = ctypes.windll.ole32
        ole.CoInitialize(None)
        wanted, dispatch = GUID(), GUID()
        ole.CLSIDFromString(ctypes.c_wchar_p(clsid), byref(wanted))
        ole.CLSIDFromString(ctypes.c_wchar_p("{00020400-0000-0000-C000-000000000046}"), byref(dispatch))
        self.this = c_void_p()
        code = ole.CoCreateInstance(byref(wanted), None, LOCAL_SERVER, byref(dispatch), byref(self.this))
        if code:
            raise OSError(f"CoCreateInstance: {code & 0xFFFFFFFF:#x}")
        self.table = ctypes.cast(ctypes.cast(self.this, POINTER(c_void_p))[0], POINTER(c_void_p))

    def invoke(self, member: str, *arguments: Any) -> Any:
        find = ctypes.WINFUNCTYPE(c_long, c_void_p, c_void_p, c_void_p, c_uint, c_ulong, c_void_p)(
            self.table[5]
        )
        call = ctypes.WINFUNCTYPE(
            c_long, c_void_p, c_long, c_void_p, c_ulong, c_ushort, c_void_p, c_void_p, c_void_p, c_void_p
        )(self.table[6])
        number, name = c_long(), ctypes.c_wchar_p(member)
        code = find(self.this, byref(GUID()), byref(name), 1, 1033, byref(number))
        if code:
            raise AttributeError(f"{member}: {code & 0xFFFFFFFF:#x}")
        values = (VARIANT * len(arguments))(*(variant(a) for a in reversed(arguments)))
        parameters = PARAMETERS(ctypes.cast(values, POINTER(VARIANT)), None, len(arguments), 0)
        answer = VARIANT()
        code = call(
            self.this,
            number,
            byref(GUID()),
            1033,
            METHOD_OR_GET,
            byref(parameters),
            byref(answer),
            None,
            None,
        )
        if code:
            raise OSError(f"{member}: {code & 0xFFFFFFFF:#x}")
        return plain(answer)

    def release(self) -> None:
        ctypes.WINFUNCTYPE(c_ulong, c_void_p)(self.table[2])(self.this)
        ctypes.windll.ole32.CoUninitialize()


if __name__ == "__main__":
    server = Server(sys.argv[1])
    print(json.dumps([server.invoke("Call", name, given) for name, given in json.loads(sys.argv[2])]))
    server.release()
