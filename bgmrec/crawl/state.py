"""The tables of a crawl's state in SQLite, and what opening it does to pages with temporary failures."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

from bgmrec.crawl.results import StoredPage

_TABLES = """
create table if not exists facts (name text primary key, value);
create table if not exists pages (
    id integer primary key, key text not null unique, url text not null, host text not null, kind text not null,
    depth integer not null, list_page integer not null, hops integer not null, entity_id text,
    outcome text, status integer, detail text, target text, extracted text);
create table if not exists outside (
    page integer not null, reason text not null, host text not null, links integer not null,
    primary key (page, reason, host));
create index if not exists waiting on pages (host, depth, id) where outcome is null;
create table if not exists records (
    page integer not null, entity_type text not null, id text not null, line text not null,
    unique (page, entity_type, id));
create table if not exists hosts (
    host text primary key, requests integer not null, bytes integer not null, seconds real not null);
"""
# a page that failed for a reason that may pass is fetched again by the next run
UNFINISHED = "outcome = null, status = null, detail = null, target = null, extracted = null"
_RETRY = f"""update pages set {UNFINISHED}
    where outcome in ('timeout', 'unreachable') or status = 429 or status >= 500"""
STORED_PAGES = "select id, key, url, kind, host, hops, outcome, target, extracted from pages"


def open_state(path: Path) -> sqlite3.Connection:
    """Opens the state, creates it if it does not exist, and returns pages with temporary failures to the waiting ones.

    Args:
        path: of the file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    db = sqlite3.connect(path, isolation_level=None)
    # every committed transaction survives a killed process; a loss of power may undo the last ones, pages together
    # with their records
    db.execute("pragma journal_mode = wal")
    db.execute("pragma synchronous = normal")
    db.executescript(_TABLES)
    db.execute(_RETRY)
    return db


def stored_page(row: tuple[Any, ...]) -> StoredPage:
    """A page of the state.

    Args:
        row: of STORED_PAGES.
    """
    return StoredPage(*(*row[:-1], tuple(json.loads(row[-1] or "[]"))))
