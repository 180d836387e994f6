"""YAML as a lesson holds it: texts, lists and named fields, each with the line where it stands.

Nothing is constructed: every scalar stays the text that was written, so `[yes, no]` are two words
and a tag can call nothing. Aliases, tags, doubled fields and deep nesting are refused.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from qnviz.fields import faults as sentences

Path = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)
DEEPEST = 6                                    # levels of a block; a lesson needs four
LONGEST = 20_000                               # characters of a block


class Fault(NamedTuple):
    """What is wrong in a file, where, and in which field."""

    line: int
    field: str
    words: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.field}" if self.field else "")
        return f"{where}: {self.words}"


class Block(NamedTuple):
    """A block's value, the line of each of its fields, and what is wrong with it."""

    value: Any
    lines: dict[Path, int]
    faults: list[Fault]

    def line(self, path: Path) -> int:
        """The line of a field, or of what holds it, where it is missing."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_block(text: str, first: int) -> Block:
    """A block of YAML whose first line is line `first` of its file."""
    if len(text) > LONGEST:
        return _broken(first, f"the block has {len(text):,} characters; the limit is {LONGEST:,}.")
    try:
        if fault := _refused(text, first):
            return Block({}, {(): first}, [fault])
        node = yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first + (mark.line if mark else 0)
        return _broken(line, f"this is not valid YAML: {error.problem or error.context}. A text "
                       "with a colon and a space, or with a # after a space, needs quotes.")
    except yaml.YAMLError as error:
        return _broken(first, f"this is not valid YAML: {error}.")
    block = Block({}, {(): first}, [])
    if not isinstance(node, yaml.MappingNode):
        return _broken(first, "here fields are needed, each as `name: value` on a line.")
    return block._replace(value=_plain(node, (), first, block))


def _broken(line: int, words: str) -> Block:
    return Block({}, {(): line}, [Fault(line, "", words)])


def _refused(text: str, first: int) -> Fault | None:
    """What YAML can and a lesson must not."""
    depth = 0
    for event in yaml.parse(text, yaml.SafeLoader):
        line = first + event.start_mark.line
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            return Fault(line, "", "anchors (&) and aliases (*) are not allowed. A text that "
                         "begins with such a sign needs quotes.")
        if getattr(event, "tag", None):
            return Fault(line, "", f"the tag {event.tag!r} is not allowed. A text that begins "
                         "with ! needs quotes.")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            return Fault(line, "", "this is nested too deeply.")
    return None


def _plain(node: Any, path: Path, first: int, block: Block) -> Any:
    block.lines.setdefault(path, first + node.start_mark.line)
    if isinstance(node, yaml.ScalarNode):
        return node.value
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*path, i), first, block) for i, item in enumerate(node.value)]
    found = {}
    for key, value in node.value:
        line = first + key.start_mark.line
        name = key.value if isinstance(key, yaml.ScalarNode) else ""
        if not name:
            block.faults.append(Fault(line, named(path), "a field's name must be a word."))
        elif name in found:
            block.faults.append(Fault(line, named((*path, name)), "this field stands here twice."))
        else:
            block.lines[*path, name] = line
            found[name] = _plain(value, (*path, name), first, block)
    return found


def named(path: Path) -> str:
    """A field's path as a person writes it: question.options[2]."""
    text = ""
    for part in path:
        text += f"[{part + 1}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


def validated(block: Block, model: type[M]) -> M | None:
    """A block as a model; its faults grow by those that are found."""
    try:
        return model.model_validate(block.value)
    except ValidationError as error:
        details = error.errors(include_url=False)
        for one, words in zip(details, sentences(error), strict=True):
            path = tuple(one["loc"])
            if one["type"] == "string_type" and isinstance(one.get("input"), dict):
                words = "this must be a text. One with a colon and a space in it needs quotes."
            elif one["type"] in ("list_type", "tuple_type"):
                words = "this must be a list, such as [path, loss]."
            elif one["type"] in ("model_type", "model_attributes_type", "dict_type"):
                words = "here fields are needed, each as `name: value` on a line of its own."
            elif one["type"] == "string_too_short":
                words = "this is empty."
            elif one["type"] == "string_too_long":
                words = (f"this has {len(one['input']):,} characters; what is to be read from the "
                         f"back of a hall has at most {one.get('ctx', {})['max_length']:,}.")
            block.faults.append(Fault(block.line(path), named(path), words))
        return None
