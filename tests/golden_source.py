"""llama.cpp's own converter, out of llama-cpp-python's source package, and real vocabularies beside it.

It is fetched once from the package index into the environment and runs as a program of its own: its `gguf` is
another version than the installed one.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
from functools import cache
from pathlib import Path
from typing import Any

import gguf

VERSION = importlib.metadata.version("llama-cpp-python")
CACHE = Path(sys.prefix) / "golden" / VERSION
_ADAPTERS = "convert_lora_to_gguf.py"
_WANTED = ("convert_hf_to_gguf.py", _ADAPTERS, "conversion/", "gguf-py/", "models/ggml-vocab-")
_PATCHED = """
import runpy, sys
sys.path[:0] = [sys.argv.pop(1)]
name = sys.argv.pop(1)
import conversion.base
conversion.base.TextModel.get_vocab_base_pre = lambda self, tokenizer: name
import convert_hf_to_gguf
convert_hf_to_gguf.main()
"""


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def fetch() -> Path:
    """The folder of llama.cpp's converter; `packages` beside it holds sentencepiece, which it imports."""
    done = CACHE / "llama.cpp"
    if (done / _ADAPTERS).is_file():
        return done
    shutil.rmtree(done, ignore_errors=True)
    CACHE.mkdir(parents=True, exist_ok=True)
    _pip(
        "install",
        "-q",
        "--no-deps",
        "--only-binary",
        ":all:",
        "--target",
        str(CACHE / "packages"),
        "sentencepiece",
    )
    where = str(CACHE / "download")
    package = "llama-cpp-python"
    _pip("download", "-q", "--no-deps", "--no-binary", package, f"{package}=={VERSION}", "-d", where)
    part = CACHE / "llama.cpp.part"
    with tarfile.open(next((CACHE / "download").glob("*.tar.gz"))) as archive:
        for member in archive:
            inner = member.name.partition("/vendor/llama.cpp/")[2]
            if inner.startswith(_WANTED):
                member.name = inner
                archive.extract(member, part, filter="data")
    return part.rename(done)


def command(folder: Path, out: Path, kind: str, pre: str = "") -> list[str]:
    """The command line that converts `folder`; `pre` is what to take the tokenizer's splitting for."""
    source = fetch()
    given = [str(folder), "--outfile", str(out), "--outtype", kind]
    if pre:
        return [sys.executable, "-c", _PATCHED, str(source), pre, *given]
    return [sys.executable, str(source / "convert_hf_to_gguf.py"), *given]


def environment() -> dict[str, str]:
    """What the converter runs in: the environment's packages and sentencepiece."""
    return {**os.environ, "PYTHONPATH": str(CACHE / "packages"), "HF_HUB_OFFLINE": "1"}


def run_theirs(folder: Path, out: Path, kind: str, pre: str = "") -> Path:
    """Convert a checkpoint with llama.cpp's script."""
    done = subprocess.run(command(folder, out, kind, pre), env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def run_theirs_on_adapter(folder: Path, base: Path, out: Path, kind: str) -> Path:
    """Convert a LoRA adapter with llama.cpp's script."""
    script = [sys.executable, str(fetch() / _ADAPTERS), str(folder), "--base", str(base)]
    done = subprocess.run(
        [*script, "--outfile", str(out), "--outtype", kind], env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return out


def splitting_of(repository: str) -> str:
    """The name that the script gives to the tokenizer of a repository which it names as its reference."""
    text = (fetch() / "conversion" / "base.py").read_text(encoding="utf-8")
    found = re.search(rf'huggingface\.co/{re.escape(repository)}\n\s+res = "([^"]+)"', text)
    assert found, repository
    return found[1]


@cache
def real_vocabulary(name: str) -> tuple[dict[str, int], list[str], list[dict[str, Any]]]:
    """Ids by token, merges and added tokens (as tokenizer.json lists them) of a real byte-level tokenizer."""
    fields = gguf.GGUFReader(fetch() / "models" / f"ggml-vocab-{name}.gguf").fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    kinds = fields["tokenizer.ggml.token_type"].contents()
    ids, added = {}, []
    for i, (text, kind) in enumerate(zip(tokens, kinds, strict=True)):
        if kind in (gguf.TokenType.NORMAL, gguf.TokenType.CONTROL):
            ids[text] = i
        if kind == gguf.TokenType.CONTROL:
            added.append(added_token(i, text, special=True))
    return ids, fields["tokenizer.ggml.merges"].contents(), added


def added_token(i: int, text: str, *, special: bool) -> dict[str, Any]:
    """An entry of tokenizer.json's `added_tokens`."""
    plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    return {"id": i, "content": text, **plain, "special": special}


_TRAIN = """
import sentencepiece, sys, json
sentencepiece.SentencePieceTrainer.train(**json.loads(sys.argv[1]))
made = sentencepiece.SentencePieceProcessor(model_file=json.loads(sys.argv[1])["model_prefix"] + ".model")
print(json.dumps([[made.id_to_piece(i), made.get_score(i)] for i in range(len(made))]))
"""


def train_sentencepiece(
    prefix: Path, texts: list[str], size: int, found: list[str]
) -> list[tuple[str, float]]:
    """Train Gemma's kind of tokenizer into `prefix`.model; its pieces and scores by id.

    `found` are the tokens that it finds in plain text.
    """
    fetch()
    corpus = prefix.with_suffix(".txt")
    corpus.write_text("\n".join(texts), encoding="utf-8")
    settings = {
        "input": str(corpus),
        "model_prefix": str(prefix),
        "model_type": "bpe",
        "vocab_size": size,
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "add_dummy_prefix": False,
        "remove_extra_whitespaces": False,
        "split_digits": True,
        "character_coverage": 0.999,
        "user_defined_symbols": found,
        "minloglevel": 2,
        **{"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3},
        **{"pad_piece": "<pad>", "eos_piece": "<eos>", "bos_piece": "<bos>", "unk_piece": "<unk>"},
    }
    arguments = [sys.executable, "-c", _TRAIN, json.dumps(settings)]
    done = subprocess.run(arguments, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return [(piece, score) for piece, score in json.loads(done.stdout)]
