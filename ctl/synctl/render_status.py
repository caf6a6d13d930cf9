"""The daemon at a glance: the answer of Status as text. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from synctl.render_table import Cell, table
from synctl.screen import Look
from synctl.words import columns, count, duration, fit, pad, plural, printable, rate, since, size

Row = dict[str, Any]

TRANSFERS_SHOWN = 4
BAR_CELLS = 14
ROOMY = 60
REQUESTS = ("put", "get", "list", "head", "delete", "copy")
TONES = {"ok": "", "degraded": "yellow", "failing": "red"}
STATE_TONES = {"halted": "red", "unreachable": "red", "auth-expired": "red", "paused": "yellow", "throttled": "yellow"}

ONE_OF = {"conflicts": "conflict"}
"""The counts whose word changes where there is one of them."""

NOTHING_CONFIGURED = (
    "Nothing is configured: add a [[pair]] to /etc/syncd/syncd.toml, then `synctl reload` "
    "(or start `syncd -b BUCKET -l FOLDER`)."
)
ALL_PAUSED = "Everything is paused: no file moves until `synctl resume`."


def render_status(status: Row, now: datetime, look: Look) -> str:
    """What a person sees. `now` is aware, and only ages are taken from it."""
    pairs = status.get("pairs") or []
    lines = [*_health(status, look), *_head(status, look)]
    if not any(status.get(kind) for kind in ("pairs", "batches", "copies", "mirrors")):
        lines += ["", *_wrapped(NOTHING_CONFIGURED, look)]
        return look.plain("\n".join(lines)) + "\n"
    if pairs:
        lines += [*_ages(pairs, now, look), "", *_pairs(status, now, look)]
    for kind, title in (("batches", "BATCH"), ("copies", "COPY"), ("mirrors", "MIRROR")):
        if status.get(kind):
            lines += ["", *_sections(title, status[kind], now, look)]
    traffic = _traffic(status.get("s3") or {}, now)
    if traffic:
        lines += ["", *_packed(traffic, look)]
    return look.plain("\n".join(lines)) + "\n"


def _health(status: Row, look: Look) -> list[str]:
    """Health other than ok, in words and with what to do; nothing where all is well."""
    health = str(status.get("health"))
    lines: list[str] = []
    if health != "ok":
        reasons = status.get("health_reasons") or ["the daemon gives no reason"]
        for index, reason in enumerate(reasons):
            word = printable(health.upper()) if index == 0 else ""
            first, *rest = _wrapped(printable(reason), look, indent=10)
            lines.append(look.paint(word, TONES.get(health, "red")) + first[len(word) :])
            lines += rest
    for advice in _advice(status):
        first, *rest = _wrapped(advice, look, indent=10)
        lines += ["        → " + first[10:], *rest]
    return [*lines, ""] if lines else []


def _advice(status: Row) -> list[str]:
    """What a person can do about the states that wait for one, each said once."""
    pairs = list(status.get("pairs") or [])
    if pairs and all(pair.get("state") == "paused" and not pair.get("paused_until") for pair in pairs):
        return [ALL_PAUSED]
    advice = [text for pair in pairs if (text := _advice_on(pair))]
    if status.get("health") != "ok" and not advice:
        return ["`synctl doctor` checks every precondition and says what to do."]
    return list(dict.fromkeys(advice))


def _advice_on(pair: Row) -> str:
    name = printable(pair.get("name"))
    match pair.get("state"):
        case "halted" if pair.get("halted_plan_id"):
            accept = f"`synctl resume {name} --accept {printable(pair['halted_plan_id'])}`"
            return f"{name} is halted: `synctl plan {name}` shows what it would do, {accept} allows exactly that."
        case "halted":
            return (
                f"{name} is halted: mend what is named above; it goes on by itself, or now by `synctl resume {name}`."
            )
        case "paused":
            return f"{name} is paused{_until(pair)}: `synctl resume {name}` goes on."
        case "unreachable":
            return f"{name}: nothing moves until what is named above is mended. Nothing is lost, it goes on by itself."
        case "auth-expired":
            return f"{name}: the credentials ran out. Renew them; it goes on by itself then."
        case _:
            return ""


def _until(pair: Row) -> str:
    return f" until {printable(pair['paused_until'])}" if pair.get("paused_until") else ""


def _head(status: Row, look: Look) -> list[str]:
    health = str(status.get("health"))
    parts = [
        f"syncd {printable(status.get('version'))} on {printable(status.get('host'))}",
        f"pid {status.get('pid')}",
        f"up {duration(status.get('uptime_seconds') or 0)}",
        "health " + printable(health),
    ]
    *lines, last = _packed(parts, look)
    tone = TONES.get(health, "red")
    return [*lines, last[: -len(health)] + look.paint(printable(health), tone) if last.endswith(health) else last]


def _ages(pairs: list[Row], now: datetime, look: Look) -> list[str]:
    ages = [pair["oldest_unprotected_seconds"] for pair in pairs if pair.get("oldest_unprotected_seconds") is not None]
    seen = all(pair.get("last_success_at") for pair in pairs)
    quiet = "every file is protected" if seen else "no full pass has succeeded yet: what is protected is not known"
    parts = [f"oldest unprotected file {duration(max(ages))}" if ages else quiet]
    passes = [age for pair in pairs if (age := since(pair.get("last_full_pass_at"), now)) is not None]
    at_work = [pair for pair in pairs if pair.get("state") != "paused" and not pair.get("paused_until")]
    coming = [-age for pair in at_work if (age := since(pair.get("next_full_pass_at"), now)) is not None]
    if passes:
        following = f", next in {duration(min(coming))}" if coming else ""
        parts.append(f"last full pass {duration(max(passes))} ago{following}")
    return _packed(parts, look)


def _pairs(status: Row, now: datetime, look: Look) -> list[str]:
    moving: dict[str, list[Row]] = {}
    for transfer in status.get("transfers") or []:
        moving.setdefault(str(transfer.get("pair")), []).append(transfer)
    pairs = status["pairs"]
    heads = ("PAIR", "MODE", "STATE", "PENDING", "RATE", "LAST OK", "ERRORS")
    rows = [_pair(pair, moving.get(str(pair.get("name")), []), now) for pair in pairs]
    said = " ".join(status.get("health_reasons") or [])
    head, *body = table(heads, rows, look, drop=("RATE", "MODE", "LAST OK", "PENDING"))
    lines = [head]
    for pair, line in zip(pairs, body):
        lines.append(line)
        transfers = moving.get(str(pair.get("name")), [])
        lines += [_transfer(transfer, look) for transfer in transfers[:TRANSFERS_SHOWN]]
        if len(transfers) > TRANSFERS_SHOWN:
            lines.append(f"    … and {count(len(transfers) - TRANSFERS_SHOWN)} more")
        lines += _notes(pair, look, said)
    return lines


def _pair(pair: Row, transfers: list[Row], now: datetime) -> list[Cell]:
    state = printable(pair.get("state"))
    pending = int(pair.get("pending_files") or 0)
    speed = sum(transfer.get("bytes_per_second") or 0 for transfer in transfers)
    errors = int((pair.get("last_cycle") or {}).get("errors") or 0)
    return [
        printable(pair.get("name")),
        printable(pair.get("mode")),
        (state, STATE_TONES.get(state, "")),
        f"{count(pending)} · {size(pair.get('pending_bytes') or 0)}" if pending else "0",
        rate(speed) if speed else "-",
        _last_ok(pair, now),
        (count(errors), "red" if errors else ""),
    ]


def _last_ok(section: Row, now: datetime) -> str:
    age = since(section.get("last_success_at"), now)
    return "never" if age is None else duration(age)


def _transfer(transfer: Row, look: Look) -> str:
    total, done = transfer.get("total_bytes") or 0, transfer.get("done_bytes") or 0
    share = done / total if total else 0.0
    eta = transfer.get("eta_seconds")
    cells = BAR_CELLS if look.width >= ROOMY else BAR_CELLS // 2
    tail = f"   {look.bar(share, cells)} {int(share * 100):3d} %"
    if eta and look.width >= ROOMY:
        tail += f"   {duration(eta)} left"
    arrow = "↓" if transfer.get("direction") in {"down", "download"} else "↑"
    room = max(10, look.width - 4 - columns(tail))
    return f"  {arrow} {pad(fit(printable(transfer.get('path')), room), min(room, 32))}{tail}".rstrip()


def _notes(pair: Row, look: Look, said: str) -> list[str]:
    """What a pair has besides its row: what was left alone, polling, the last error where health did not say it."""
    counts = pair.get("counts") or {}
    parts = [
        plural(number, ONE_OF.get(name, printable(name)), printable(name)) for name, number in counts.items() if number
    ]
    if pair.get("watch") == "polling":
        parts.append("watched by polling")
    lines = _wrapped(" · ".join(parts), look, indent=4) if parts else []
    if pair.get("last_error") and str(pair["last_error"]) not in said:
        lines += _wrapped("last error: " + printable(pair["last_error"]), look, indent=4)
    return lines


def _sections(title: str, sections: list[Row], now: datetime, look: Look) -> list[str]:
    rows: list[list[Cell]] = []
    for section in sections:
        state = printable(section.get("state", ""))
        errors = int((section.get("last_cycle") or {}).get("errors") or 0)
        waiting = plural(int(section.get("pending_files") or 0), "file", "files")
        rows.append([printable(section.get("name")), (state, STATE_TONES.get(state, "")), waiting,
                     _last_ok(section, now), (count(errors), "red" if errors else "")])  # fmt: skip
    return table((title, "STATE", "WAITING", "LAST OK", "ERRORS"), rows, look)


def _traffic(s3: Row, now: datetime) -> list[str]:
    requests = s3.get("requests") or {}
    parts = [f"{count(requests[verb])} {verb.upper()}" for verb in REQUESTS if requests.get(verb)]
    parts += [f"{count(s3[word])} {word}" for word in ("throttled", "retried") if s3.get(word)]
    if s3.get("cost_usd") is not None:
        parts.append(f"≈ ${s3['cost_usd']:.2f}")
    proven = since(s3.get("proven_at"), now)
    if proven is not None:
        parts.append(f"endpoint proven {duration(proven)} ago")
    if not parts:
        return []
    began = since(s3.get("since"), now)
    return ["S3 since the start" if began is None else f"S3 in {duration(began)}", *parts]


def _packed(parts: list[str], look: Look) -> list[str]:
    """Parts on one line with three blanks between, on more lines where they do not fit."""
    lines = [parts[0]]
    for part in parts[1:]:
        if columns(lines[-1]) + 3 + columns(part) <= look.width:
            lines[-1] += "   " + part
        else:
            lines.append("  " + part)
    return [fit(line, look.width) for line in lines]


def _wrapped(text: str, look: Look, indent: int = 0) -> list[str]:
    """Lines of words, a command in backticks on one line; a word that is too long for a line is cut."""
    room = max(1, look.width - indent)
    lines = [""]
    for word in re.findall(r"`[^`]*`\S*|\S+", text):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if columns(longer) <= room:
            lines[-1] = longer
        else:
            lines = [*(line for line in lines if line), fit(word, room)]
    return [" " * indent + line for line in lines]
