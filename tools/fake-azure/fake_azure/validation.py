"""Whether a value fits a model: names, types, enumerations, discriminators, required and read-only members."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

_DURATION = re.compile(r"^P(?=.)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?$")
_TYPES: dict[str, tuple[type, ...]] = {"str": (str,), "int": (int,), "bool": (bool,), "float": (int, float)}


class Model(NamedTuple):
    """A kind as `schema` has it, and the models that it refers to."""

    models: dict[str, dict[str, Any]]
    kind: Any

    def listed(self) -> Model:
        """A list of it."""
        return Model(self.models, ("list", self.kind, False))

    def members(self) -> dict[str, tuple[Any, bool, bool]]:
        """The members of the model that it is; none when it is no model."""
        word, inside, _ = self.kind or ("", None, False)
        return self.models[inside]["members"] if word == "model" else {}

    def inside(self, member: str) -> list[Model]:
        """What a member may be."""
        word, inside, _ = self.members().get(member, (None,))[0] or ("", None, False)
        kinds = inside if word == "union" else [(word, inside, False)]
        return [Model(self.models, kind) for kind in kinds]


def faults(value: Any, model: Model, *, answer: bool = False, required: bool = True) -> list[str]:
    """What keeps a value from being of this kind; nothing when it fits.

    An answer may have read-only members, a request may not; an update need not have what a creation needs.
    """
    return list(_Walk(model.models, answer, required).faults(value, model.kind, ""))


class _Walk:
    def __init__(self, models: dict[str, dict[str, Any]], answer: bool, required: bool) -> None:
        self._models = models
        self._answer = answer
        self._required = required

    def faults(self, value: Any, kind: Any, at: str) -> Iterator[str]:
        if kind is None:
            return
        word, inside, null = kind
        where = at or "the body"
        if value is None and null:
            return
        if word in {"model", "inline"}:
            yield from self._structure(value, kind, at)
        elif word == "union":
            found = [list(self.faults(value, each, at)) for each in inside]
            if all(found):
                yield from min(found, key=len)
        elif word in {"list", "dict"}:
            if not isinstance(value, list if word == "list" else dict):
                yield f"{where} is no {'list' if word == 'list' else 'object'}"
                return
            places = enumerate(value) if word == "list" else value.items()
            for name, item in places:
                yield from self.faults(item, inside, f"{at}[{name}]" if word == "list" else f"{at}.{name}")
        elif word == "words":
            if value not in inside:
                yield f"{where} is {value!r}, which is none of {', '.join(map(str, inside))}"
        else:
            yield from _plain(value, word, where)

    def _structure(self, value: Any, kind: Any, at: str) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{at or 'the body'} is no object"
            return
        known = kind[1] if kind[0] == "inline" else None
        if known is None:
            model, told = self._dispatch(value, kind[1])
            if told:
                yield f"{at or 'the body'}: {told}"
                return
            known = self._models[model]["members"]
        for name, (inner, required, readable_only) in known.items():
            if name not in value:
                # What only the service can write cannot be missing in a request.
                if required and self._required and (self._answer or not readable_only):
                    yield f"{at}.{name} is missing".lstrip(".")
            elif readable_only and not self._answer:
                yield f"{at}.{name} is read-only".lstrip(".")
            elif not (value[name] is None and not required):
                yield from self.faults(value[name], inner, f"{at}.{name}".lstrip("."))
        for name in value:
            if name not in known:
                yield f"{at}.{name} is unknown".lstrip(".")

    def _dispatch(self, value: dict[str, Any], model: str) -> tuple[str, str | None]:
        """The derived model that a discriminator names."""
        tell, mapping = self._models[model]["tell"], self._models[model]["mapping"]
        if not mapping or tell is None:
            return model, None
        word = value.get(tell)
        if word is None:
            return model, f"{tell} is missing, which says what it is"
        if not isinstance(word, str) or word not in mapping:
            return model, f"{tell} is {word!r}, which is none of {', '.join(sorted(mapping))}"
        named = mapping[word]
        deeper, told = (named, None) if named == model else self._dispatch(value, named)
        return (named, None) if told else (deeper, None)


def _plain(value: Any, word: str, where: str) -> Iterator[str]:
    if word == "time":
        if not _is_time(value):
            yield f"{where} is {value!r}, which is no time"
    elif word == "duration":
        if not (isinstance(value, str) and _DURATION.match(value)):
            yield f"{where} is {value!r}, which is no duration"
    elif word == "bytes":
        if not isinstance(value, str):
            yield f"{where} is no encoded text"
    elif word == "number":
        if not (isinstance(value, str) and value.lstrip("-").isdigit()):
            yield f"{where} is {value!r}, which is no number in a string"
    elif not isinstance(value, _TYPES[word]) or (isinstance(value, bool) and word != "bool"):
        yield f"{where} is {value!r}, which is no {'number' if word == 'float' else word}"


def _is_time(value: Any) -> bool:
    try:
        # The service writes seven digits of a second, of which Python reads six.
        datetime.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.replace("Z", "+00:00")))
    except (TypeError, ValueError, AttributeError):
        return False
    return True
