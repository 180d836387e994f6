"""The door for addresses: so many fields, so long, before any page looks at what they say."""

from __future__ import annotations

from collections.abc import Mapping

MOST_FIELDS = 300                              # 16 entrants with all of theirs have 200
LONGEST_NAME, LONGEST_VALUE = 80, 400          # characters that are looked at


def taken(query: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """An address's fields within bounds, and what is to be said of the others."""
    found, unknown = {}, 0
    for name, value in query.items():
        if len(name) > LONGEST_NAME or len(found) == MOST_FIELDS:
            unknown += 1
        else:
            found[name] = value[:LONGEST_VALUE]
    if not unknown:
        return found, []
    return found, [f"{unknown:,} of the link's fields were left out: a link has at most "
                   f"{MOST_FIELDS} of them, each with a name of at most {LONGEST_NAME} characters."]
