#!/bin/sh
# A Chromium for tests/browser: one on the path, else Debian's where root has apt, else the one that
# Playwright brings, into the cache of whoever runs this: tests/browser.sh PYTHON.
#
# Where none can be had those tests are skipped and say why; where CI is set that is an error.
set -eu

there() {
    for name in chromium chromium-browser google-chrome; do
        command -v "$name" >/dev/null && return 0
    done
    return 1
}

debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
    echo "installing for the tests in the browser: chromium"
    DEBIAN_FRONTEND=noninteractive timeout 600 \
        apt-get install -qq --no-install-recommends chromium >/dev/null 2>&1 </dev/null || {
        timeout 120 apt-get update -qq >/dev/null 2>&1 &&
            DEBIAN_FRONTEND=noninteractive timeout 600 \
                apt-get install -qq --no-install-recommends chromium >/dev/null 2>&1 </dev/null
    }
}

playwright() {
    echo "no Chromium on the path: trying the one that Playwright brings"
    timeout 600 "$1" -m playwright install chromium >/dev/null 2>&1 </dev/null
}

there || debian || playwright "$1" || {
    echo "there is no Chromium here, and none could be installed (chromium of the system, or" \
        "\`python -m playwright install chromium\`): the tests in the browser will be skipped"
    [ -z "${CI:-}" ] || exit 1
}
