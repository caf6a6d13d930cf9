"""The daemon at a glance: the answer of Status as text. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from synctl.render_pace import pace_parts
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
    batches = status.get("batches") or []
    if pairs or batches:
        lines += _ages([*pairs, *batches], now, look)
    if pairs:
        lines += ["", *_pairs(status, now, look)]
    if batches:
        lines += ["", *_batches(status, now, look)]
    for kind, title in (("copies", "COPY"), ("mirrors", "MIRROR")):
        if status.get(kind):
            lines += ["", *_sections(title, status[kind], now, look)]
    traffic = _traffic(status.get("s3") or {}, now)
    if traffic:
        lines += ["", *_packed(traffic, look)]
    held_back = pace_parts(status.get("pace") or {}, now)
    if held_back:
        lines += ["", *_packed(held_back, look)]
    remote = _syslog(status.get("syslog") or {})
    if remote:
        lines += ["", *_packed(remote, look)]
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
    sections = [*(status.get("pairs") or []), *(status.get("batches") or [])]
    if sections and all(each.get("state") == "paused" and not each.get("paused_until") for each in sections):
        return [ALL_PAUSED]
    advice = [text for each in sections if (text := _advice_on(each))]
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


def _ages(sections: list[Row], now: datetime, look: Look) -> list[str]:
    """How long files wait at most, and when all of a pair was looked at; a batch has no such passes."""
    waits = [each.get("oldest_unprotected_seconds") for each in sections]
    ages = [wait for wait in waits if wait is not None]
    seen = all(each.get("last_success_at") for each in sections)
    quiet = "every file is protected" if seen else "no full pass has succeeded yet: what is protected is not known"
    parts = [f"oldest unprotected file {duration(max(ages))}" if ages else quiet]
    passes = [age for each in sections if (age := since(each.get("last_full_pass_at"), now)) is not None]
    at_work = [each for each in sections if each.get("state") != "paused" and not each.get("paused_until")]
    coming = [-age for each in at_work if (age := since(each.get("next_full_pass_at"), now)) is not None]
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
    parts += [*_audit(pair.get("audit") or {}), *_plane(pair)]
    lines = _wrapped(" · ".join(parts), look, indent=4) if parts else []
    if pair.get("last_error") and str(pair["last_error"]) not in said:
        lines += _wrapped("last error: " + printable(pair["last_error"]), look, indent=4)
    return lines


def _plane(section: Row) -> list[str]:
    """Why bytes go by boto3, where they do."""
    return [f"by boto3: {printable(section.get('plane_reason'))}"] if section.get("plane") == "boto3" else []


def _audit(audit: Row) -> list[str]:
    """How old the last whole audit is, how far this one is, and what it found."""
    if not audit.get("enabled"):
        return []
    age = audit.get("oldest_seconds")
    whole = "first audit" if age is None else f"audit {duration(age)} old"
    told = [f"{whole}, {int(float(audit.get('done_share') or 0) * 100)} % of this round"]
    if audit.get("differences"):
        told.append(f"audit found {plural(int(audit['differences']), 'difference', 'differences')}")
    return told


def _batches(status: Row, now: datetime, look: Look) -> list[str]:
    heads = ("BATCH", "STATE", "WAITING", "ARCHIVED", "INDEX", "LAST OK", "ERRORS")
    batches = status["batches"]
    said = " ".join(status.get("health_reasons") or [])
    rows = [_batch(batch, now) for batch in batches]
    head, *body = table(heads, rows, look, drop=("ARCHIVED", "INDEX", "LAST OK", "WAITING"))
    lines = [head]
    for batch, line in zip(batches, body):
        lines.append(line)
        moving = [each for each in status.get("transfers") or [] if _belongs(each, batch)]
        lines += [_transfer(transfer, look) for transfer in moving[:TRANSFERS_SHOWN]]
        if len(moving) > TRANSFERS_SHOWN:
            lines.append(f"    … and {count(len(moving) - TRANSFERS_SHOWN)} more")
        for note in _batch_notes(batch, said):
            lines += _wrapped(note, look, indent=4)
    return lines


def _batch(batch: Row, now: datetime) -> list[Cell]:
    state = printable(batch.get("state"))
    index = printable((batch.get("index") or {}).get("state", "off"))
    errors = int((batch.get("last_run") or {}).get("errors") or 0)
    return [
        printable(batch.get("name")),
        (state, STATE_TONES.get(state, "")),
        plural(int(batch.get("waiting_files") or 0), "file", "files"),
        f"{count(int(batch.get('archived_files') or 0))} in {count(int(batch.get('archives') or 0))}",
        (index, "red" if index == "down" else ""),
        _last_ok(batch, now),
        (count(errors), "red" if errors else ""),
    ]


def _belongs(transfer: Row, batch: Row) -> bool:
    """Whether it moves for a bucket folder of that batch: those are named BATCH/BUCKET."""
    return str(transfer.get("pair")).startswith(f"{batch.get('name')}/")


def _batch_notes(batch: Row, said: str) -> list[str]:
    """What a batch has besides its row, where health did not say it: unlinks to come, the index, folders that wait."""
    index = batch.get("index") or {}
    queued, dead = int(index.get("queued") or 0), int(index.get("dead") or 0)
    parts = []
    if batch.get("unlinking"):
        parts.append(f"{plural(int(batch['unlinking']), 'original', 'originals')} to be removed")
    if queued:
        parts.append(f"{plural(queued, 'archive waits', 'archives wait')} for the index")
    if dead:
        parts.append(f"{plural(dead, 'document', 'documents')} refused by it")
    parts += _plane(batch)
    notes = [" · ".join(parts)] if parts else []
    for folder in batch.get("folders") or []:
        if folder.get("reason") and str(folder["reason"]) not in said:
            notes.append(f"{printable(folder.get('bucket'))} waits: {printable(folder['reason'])}")
    told = " ".join([said, *(str(folder.get("reason")) for folder in batch.get("folders") or [])])
    if batch.get("last_error") and str(batch["last_error"]) not in told:
        notes.append("last error: " + printable(batch["last_error"]))
    return notes


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


def _syslog(remote: Row) -> list[str]:
    """Remote syslog, where it is away or has missed lines."""
    error, dropped = remote.get("last_error"), remote.get("dropped") or 0
    if not error and not dropped:
        return []
    parts = [f"syslog {printable(remote.get('server'))}"]
    if error:
        parts += [f"away: {printable(error)}", f"{plural(remote.get('queued') or 0, 'line', 'lines')} waiting"]
    return [*parts, f"{plural(dropped, 'line', 'lines')} dropped"] if dropped else parts


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
