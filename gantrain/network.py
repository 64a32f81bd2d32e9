"""Whether the network is there: asked before a download, and answered within seconds.

What downloads retries for minutes, with a page of warnings, before it says that nobody answered.
"""

from __future__ import annotations

import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable

# Seconds: for an answer, and until who gave none is asked again.
PATIENCE, AGAIN = 4.0, 60.0
# When who gave none was asked.
_silent: dict[str, float] = {}


def unreachable(urls: Iterable[str]) -> list[str]:
    """The hosts of these addresses that give no answer within seconds, each once.

    Any answer counts, a refusal too. Proxies are those of the environment, as a download takes
    them. The hosts are asked side by side, since a name that nobody resolves has no time limit, and
    not again within a minute.
    """
    hosts = dict.fromkeys(_host(url) for url in urls)
    now, answered = time.monotonic(), set()
    threads = [
        threading.Thread(target=_ask, args=(host, answered), daemon=True)
        for host in hosts
        if now - _silent.get(host, -AGAIN) >= AGAIN
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(now + PATIENCE - time.monotonic(), 0.0))
    silent = [host for host in hosts if host not in answered]
    for host in silent:
        _silent.setdefault(host, now)
    for host in answered:
        _silent.pop(host, None)
    return [urllib.parse.urlsplit(host).netloc for host in silent]


def _host(url):
    return "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(url))


def _ask(host, answered):
    try:
        with urllib.request.urlopen(urllib.request.Request(host, method="HEAD"), timeout=PATIENCE):
            answered.add(host)
    except urllib.error.HTTPError:
        answered.add(host)
    except urllib.error.URLError as error:
        # It answers by a certificate that is not known here; it may be to what downloads.
        if isinstance(error.reason, ssl.SSLError):
            answered.add(host)
    except (OSError, ValueError):
        pass
