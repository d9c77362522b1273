"""What the generated operations of an azure-mgmt package say beyond its models, read from their source text."""

from __future__ import annotations

import re
from pathlib import Path

from .models import Builder, Outcome

_BUILDER = re.compile(r"^def build_(\w+)_request\(", re.MULTILINE)
_CLASS = re.compile(r"^class (\w+)Operations\b", re.MULTILINE)
_METHOD = re.compile(r"^    (?:async )?def (\w+)\(", re.MULTILINE)
_URL = re.compile(r'_url = (?:kwargs\.pop\(\s*"template_url",\s*)?(?:\(\s*)?"([^"]+)"', re.DOTALL)
_VERSION = re.compile(r'"api-version", (?:self\._api_version or )?"([^"]+)"')
_SENT = re.compile(r'method="(\w+)", url=_url')
_PATH = re.compile(r'"(\w+)": _SERIALIZER\.url\(\s*"\w+", \w+, "\w+"((?:,\s*\w+=[^,\n]+?)*),?\s*\)', re.DOTALL)
_QUERY = re.compile(r'^( +)_params\["([^"]+)"\] = _SERIALIZER\.query\(\s*"\w+", \w+, "([^"]+)"', re.MULTILINE)
_LIMIT = re.compile(r"(max_length|min_length)=(\d+)|(skip_quote)=True")
_STATUSES = re.compile(r"status_code not in \[([\d, ]+)\]")
_BODY = re.compile(r"\w+: (Optional\[)?Union\[\s*((?:_models|[Ll]ist\[_models)[^=]*?),\s*IO\[bytes\]")
_RESULT = re.compile(r"(?<!failsafe)_deserialize\(\s*(List\[_models\.\w+\]|list\[_models\.\w+\]|_models\.\w+),")
_OLD_RESULT = re.compile(r'self\._deserialize\("(\w+)"')
_ERROR = re.compile(r"failsafe_deserialize\(\s*_models\.(\w+)")
_HEADER = re.compile(r'response_headers\["([^"]+)"\]')
_MODEL = re.compile(r"_models\.(\w+)")


def _chunks(pattern: re.Pattern[str], text: str) -> list[tuple[str, str]]:
    """The text from each match to the next, by the match's name."""
    found = list(pattern.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[1], text[match.start() : end]) for match, end in zip(found, ends, strict=True)]


class Source:
    """The operations' modules of one package."""

    def __init__(self, folder: Path) -> None:
        self.builders: dict[str, Builder] = {}
        self._classes: dict[str, str] = {}
        for path in sorted(folder.glob("_*operations.py")):
            text = path.read_text(encoding="utf-8")
            # Older packages have a module for each group, and do not repeat its name in the builders'.
            group = "" if path.name == "_operations.py" else path.name[1 : -len("_operations.py")] + "_"
            ahead, _, _ = text.partition("\nclass ")
            for name, chunk in _chunks(_BUILDER, ahead):
                builder = _builder(group + name, chunk)
                if builder is not None:
                    self.builders[builder.name] = builder
            self._classes |= dict(_chunks(_CLASS, text))

    def outcome(self, name: str) -> Outcome:
        """What the operation `group.method` takes and answers.

        Raises KeyError for one that the package does not have.
        """
        group, _, method = name.partition(".")
        for title, text in self._classes.items():
            if title.lower() == group.replace("_", ""):
                return _outcome(dict(_joined(text)), method)
        raise KeyError(f"no group of operations {group}")


def _joined(text: str) -> list[tuple[str, str]]:
    """The methods of a class; of overloads the last, which is the one that works."""
    return _chunks(_METHOD, text)


def _builder(name: str, text: str) -> Builder | None:
    url, version, sent = _URL.search(text), _VERSION.search(text), _SENT.search(text)
    if not (url and version and sent):
        return None
    limits: dict[str, dict[str, int]] = {}
    free = set()
    for part, rest in _PATH.findall(text):
        limits[part] = {}
        for kind, number, skip in _LIMIT.findall(rest):
            if skip:
                free.add(part)
            else:
                limits[part][kind] = int(number)
    query = {key: kind for _, key, kind in _QUERY.findall(text)}
    # What stands under an `if` is optional.
    required = frozenset(key for indent, key, _ in _QUERY.findall(text) if len(indent) == 4)
    template = url[1] if url[1].startswith("/") else f"/{url[1]}"
    return Builder(name, sent[1], template, version[1], limits, frozenset(free), query, required)


def _outcome(methods: dict[str, str], method: str) -> Outcome:
    first = methods.get(f"_{method}_initial") or methods[method]
    last = methods.get(f"begin_{method}", "") if f"_{method}_initial" in methods else first
    body = _BODY.search(first)
    models = _MODEL.findall(body[2]) if body else []
    result = _RESULT.search(last) or (_RESULT.search(first) if not last else None)
    old = _OLD_RESULT.search(last) if result is None else None
    named = _MODEL.search(result[1]) if result else None
    error = _ERROR.search(first)
    statuses = _STATUSES.search(first)
    return Outcome(
        body=models[0] if models else None,
        body_required=bool(body) and not body[1],
        statuses=tuple(int(each) for each in statuses[1].split(",")) if statuses else (200,),
        result=named[1] if named else (old[1] if old and old[1] not in {"str", "int"} else None),
        listed=bool(result) and "ist[" in result[1],
        error=error[1] if error else None,
        headers=frozenset(_HEADER.findall(first)),
        long=f"_{method}_initial" in methods,
    )
