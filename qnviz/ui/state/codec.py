"""Declared models as an address's fields, and back.

    encode(Question(x=0.1))                          →  {"x": "0.1"}
    decode({"x": "0.1", "y": "up"}, Question())      →  Question(x=0.1), ["y is 'up', but must …"]

A field at its default is left out. A bad value costs only itself: it gets a sentence, and the
default is used. A model within a model has its name and a dot before its fields: `fork.step`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from qnviz.fields import Frozen, faults_by_field
from qnviz.ui.state.address import Query, bounded, unknown

M = TypeVar("M", bound=Frozen)
ALL = "all"                                    # in an address: an optional value that is left out
USUAL = "The default is used."


def described(default: Any, form: str = "", *, instead: str = USUAL, limit: str = "",
              always: bool = False, **bounds: Any) -> Any:
    """Declare a field of an address that has no control of its own.

    Args:
        default: its value where the address does not have it.
        form: what a value looks like, in words, for the sentence about one that does not; braces
            name other fields of the model.
        instead: what happens in place of a bad value, as a sentence.
        limit: what is said of a number beyond its upper bound, in place of the plain words.
        always: whether an address that has any field has this one, too, even at its default.
        bounds: pydantic's.
    """
    return Field(default, json_schema_extra={"form": form, "instead": instead, "limit": limit,
                                             "always": always}, **bounds)


# --- values ---------------------------------------------------------------------------------------

def number(value: float) -> str:
    """A number with as few digits as read back as the same number: 0.1, 2, 1e-06, 1e16."""
    return repr(float(value)).removesuffix(".0").replace("e+", "e")


def text(value: Any, kind: str = "") -> str:
    """A value as it stands in an address: 0.5,1 for a point, 64-32-64 for widths, all for None."""
    if value is None:
        return ALL
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return number(value)
    if isinstance(value, list | tuple):
        return ("-" if kind == "widths" else ",").join(map(text, value))
    if kind == "expression":
        from qnviz.problems.typed import for_address  # torch comes with it

        return for_address(value)
    return str(value)


def _parsed(raw: str, info: FieldInfo) -> Any:
    """A text for pydantic, which turns it into what the field declares."""
    kinds = [info.annotation, *get_args(info.annotation)]
    if raw == ALL and type(None) in kinds:
        return None
    if _kind(info) == "expression":
        from qnviz.problems.typed import from_address  # torch comes with it

        return from_address(raw)
    return raw.split(",") if "," in raw and tuple in [get_origin(k) for k in kinds] else raw


def _extra(info: FieldInfo) -> Mapping[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}


def _kind(info: FieldInfo) -> str:
    return str(_extra(info).get("kind", ""))


# --- fields of one model --------------------------------------------------------------------------

def encode(value: Frozen, usual: Frozen | None = None, names: Iterable[str] | None = None,
           prefix: str = "") -> dict[str, str]:
    """A model as an address's fields, without those that are as usual.

    Args:
        value: the model.
        usual: the one that an address without any fields means; by default that of its type.
        names: which fields; by default all.
        prefix: what stands before the names of fields.
    """
    query: dict[str, str] = {}
    usual = type(value)() if usual is None else usual
    for name in type(value).model_fields if names is None else names:
        here, there = getattr(value, name), getattr(usual, name)
        if isinstance(here, Frozen):
            query |= encode(here, there, prefix=f"{prefix}{name}.")
        elif here != there:
            query[prefix + name] = text(here, _kind(type(value).model_fields[name]))
    always = [name for name, info in type(value).model_fields.items() if _extra(info).get("always")]
    return query | {prefix + name: text(getattr(value, name)) for name in always if query}


def decode(query: Query, usual: M) -> tuple[M, tuple[str, ...]]:
    """An address as a model: `usual` with its fields in it, and a sentence for each refused one."""
    fields, notes = bounded(query)
    chosen, more = accepted(type(usual), fields, usual.model_dump())
    notes += unknown([name for name in fields if name not in names_in(type(usual))])
    return type(usual).model_validate(usual.model_dump() | chosen), (*notes, *more)


def names_in(model: type[Frozen], prefix: str = "") -> list[str]:
    """The names by which an address may set a model's fields."""
    found: list[str] = []
    for name, info in model.model_fields.items():
        inner = _inner(info)
        found += names_in(inner, f"{prefix}{name}.") if inner else [prefix + name]
    return found


def accepted(model: type[Frozen], query: Query, usual: Mapping[str, Any],
             names: Iterable[str] | None = None, prefix: str = "") -> tuple[
                 dict[str, Any], list[str]]:
    """The values in an address that a model takes, and a sentence for each other.

    All are tried together first, as some go only together; of those that contradict each other
    the later ones are left out, in the order in which the model declares them.

    Args:
        model: whose fields they are.
        query: an address's fields; those that are none of the model's are not looked at.
        usual: the model's values where the address says nothing.
        names: which fields an address may set; by default all.
        prefix: what stands before the names of fields.
    """
    left, chosen, notes = {}, {}, []
    for name in model.model_fields if names is None else names:
        info = model.model_fields[name]
        if inner := _inner(info):
            found, more = accepted(inner, query, usual.get(name, {}), prefix=f"{prefix}{name}.")
            notes += more
            if found:
                chosen[name] = {**usual.get(name, {}), **found}
        elif prefix + name in query:
            left[name] = query[prefix + name]

    def validated(raw: Mapping[str, str]) -> Frozen:
        values = {name: _parsed(text, model.model_fields[name]) for name, text in raw.items()}
        return model.model_validate({**usual, **chosen, **values})

    while left:
        try:
            valid = validated(left)
        except ValidationError as error:
            wrong = [(name, words) for name, words in faults_by_field(error) if name in left]
            if not wrong:
                break
            refused = {name: [words for other, words in wrong if other == name]
                       for name, _ in wrong}
            for name, words in refused.items():
                notes.append(_refusal(model, {**usual, **chosen}, name, prefix, left.pop(name),
                                      words))
        else:
            return chosen | {name: getattr(valid, name) for name in left}, notes
    for name, raw in left.items():             # each is allowed, but not all of them together
        try:
            chosen[name] = getattr(validated({name: raw}), name)
        except ValidationError as error:
            words = " ".join(words for _, words in faults_by_field(error)).removesuffix(".")
            notes.append(f"{words}, so {prefix}{name} = {raw!r} was left out.")
    return chosen, notes


def _inner(info: FieldInfo) -> type[Frozen] | None:
    """The model that a field holds, if it holds one."""
    kind = info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Frozen) else None


def _refusal(model: type[Frozen], values: Mapping[str, Any], name: str, prefix: str, raw: str,
             words: list[str]) -> str:
    """What is said of a value that its field does not take."""
    info = model.model_fields[name]
    extra, key = _extra(info), prefix + name
    most = next((mark.le for mark in info.metadata if hasattr(mark, "le")), None)
    if extra.get("limit") and any("at most" in sentence for sentence in words):
        said = f"{key} is {raw}, but {extra['limit'].format(text(most))}"
    elif extra.get("form"):
        said = f"{key} is {raw!r}, but must be {extra['form'].format_map(values)}."
    else:
        said = " ".join(prefix + sentence for sentence in words)
    return f"{said} {extra.get('instead', USUAL)}"
