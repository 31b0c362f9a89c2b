"""Chat templates of the kinds that are about, a tokenizer to read them with, and a conversation to show."""

from __future__ import annotations

import re

from agent.prompting.chat import ChatPrompts
from agent.prompting.chat_messages import EXAMPLES
from agent.prompting.chat_template import ChatTemplate
from agent.transcript import (
    Call,
    CallerTurn,
    PlannerTurn,
    SummarizerTurn,
    ToolSpec,
    ToolTurn,
    Transcript,
    UserTurn,
)

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
GROUPED = (
    "{% for m in messages %}"
    "{% if m.role == 'tool' %}{% if loop.previtem.role != 'tool' %}<|im_start|>user{% endif %}"
    "{{ '\n<tool_response>\n' + m.content }}\n</tool_response>"
    "{% if loop.last or loop.nextitem.role != 'tool' %}<|im_end|>\n{% endif %}"
    "{% else %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
HEADERS = (
    "{{- bos_token }}{% for m in messages %}"
    "{{- '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
DATED = HEADERS.replace("{% for", "{{- 'Today is ' + strftime_now('%d %b %Y') + '<|eot_id|>' }}{% for", 1)
STRICT = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    "{% for m in messages %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n{{ m.content | trim }}<end_of_turn>\n"
    "{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
INST = (
    "{{ bos_token }}{% if messages[0].role == 'system' %}"
    "{% set start = 1 %}{% set first = messages[0].content %}"
    "{% else %}{% set start = 0 %}{% endif %}{% for m in messages[start:] %}"
    "{% if m.role not in ['user', 'assistant'] %}{{ raise_exception('unknown role') }}{% endif %}"
    "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate') }}{% endif %}"
    "{% if m.role == 'user' %}[INST] {% if loop.last and first is defined %}{{ first }}\n\n{% endif %}"
    "{{ m.content }} [/INST]{% else %} {{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
)
FORGETFUL = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}"
    "{% set content = m.content.split('</think>')[-1].lstrip('\n') %}<|assistant|>{{ content + eos_token }}"
    "{% else %}<|{{ m.role }}|>{{ m.content }}{% endif %}{% endfor %}<|assistant|><think>\n"
)
CHANNELS = (
    "{% for m in messages %}<|start|>{{ m.role }}"
    "{% if m.role == 'assistant' %}<|channel|>final{% endif %}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "<|start|>assistant"
)
LATEST = CHATML.replace("{{ m.role }}\n", "{{ m.role }}{{ ' (latest)' if loop.revindex < 4 }}\n")
TAGS = (
    "{% if tools %}<|im_start|>system\n"
    "{% if messages[0].role == 'system' %}{{ messages[0].content + '\n\n' }}{% endif %}Functions:"
    "{% for t in tools %}{{ '\n' + t | tojson }}{% endfor %}<|im_end|>\n"
    "{% elif messages[0].role == 'system' %}"
    "{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{% endif %}"
    "{% for m in messages %}{% if m.role == 'assistant' and m.tool_calls %}<|im_start|>assistant"
    "{% for c in m.tool_calls %}"
    '{{ \'\n<tool_call>\n{"name": "\' + c.function.name + \'", "arguments": \' }}'
    "{{ c.function.arguments | tojson }}{{ '}\n</tool_call>' }}{% endfor %}<|im_end|>\n"
    "{% elif m.role == 'tool' %}{% if loop.previtem.role != 'tool' %}<|im_start|>user{% endif %}"
    "{{ '\n<tool_response>\n' + m.content }}\n</tool_response>"
    "{% if loop.last or loop.nextitem.role != 'tool' %}<|im_end|>\n{% endif %}"
    "{% elif m.role != 'system' %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}"
    "{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""In the shape of Hermes and Qwen: a tagged JSON object a call."""
OBJECT = (
    "{{- bos_token }}{{- '<|start_header_id|>system<|end_header_id|>\n\n' }}"
    "{{- 'Date: ' + strftime_now('%d %b %Y') }}"
    "{% if messages[0]['role'] == 'system' %}{{- '\n\n' + messages[0]['content'] | trim }}{% endif %}"
    "{{- '<|eot_id|>' }}{% for m in messages %}"
    "{% if m.role == 'user' %}{{- '<|start_header_id|>user<|end_header_id|>\n\n' }}"
    "{% if tools and m == (messages | selectattr('role', 'equalto', 'user') | first) %}"
    "{{- 'Functions:\n' }}{% for t in tools %}{{- t | tojson(indent=4) + '\n\n' }}{% endfor %}{% endif %}"
    "{{- m.content | trim + '<|eot_id|>' }}"
    "{% elif m.tool_calls %}"
    "{% if m.tool_calls | length != 1 %}{{- raise_exception('one call at a time') }}{% endif %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
    '{{- \'{"name": "\' + m.tool_calls[0].function.name + \'", "parameters": \' }}'
    "{{- m.tool_calls[0].function.arguments | tojson + '}<|eot_id|>' }}"
    "{% elif m.role == 'tool' %}{{- '<|start_header_id|>ipython<|end_header_id|>\n\n' }}"
    "{{- m.content | tojson + '<|eot_id|>' }}"
    "{% elif m.role == 'assistant' %}"
    "{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' + m.content + '<|eot_id|>' }}{% endif %}"
    "{% endfor %}{{- '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"
)
"""In the shape of Llama 3: a JSON object with `parameters`, tools in the first question, a date."""
LISTED = (
    "{% if messages[0].role == 'system' %}"
    "{{ '<|start_of_role|>system<|end_of_role|>' + messages[0].content + '<|end_of_text|>\n' }}{% endif %}"
    "{% if tools %}<|start_of_role|>available_tools<|end_of_role|>{{ tools | tojson(indent=4) }}"
    "<|end_of_text|>\n{% endif %}{% for m in messages %}"
    "{% if m.role == 'assistant' and m.tool_calls %}<|start_of_role|>assistant<|end_of_role|><|tool_call|>["
    "{% for c in m.tool_calls %}{{ {'name': c.function.name, 'arguments': c.function.arguments} | tojson }}"
    "{% if not loop.last %}, {% endif %}{% endfor %}]<|end_of_text|>\n"
    "{% elif m.role == 'tool' %}"
    "{{ '<|start_of_role|>tool_response<|end_of_role|>' + m.content + '<|end_of_text|>\n' }}"
    "{% elif m.role != 'system' %}"
    "{{ '<|start_of_role|>' + m.role + '<|end_of_role|>' + m.content + '<|end_of_text|>\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<|start_of_role|>assistant<|end_of_role|>{% endif %}"
)
"""In the shape of Granite: a JSON list after a control token."""
TEXTUAL = (
    TAGS.replace("c.function.arguments | tojson", "c.function.arguments")
    .replace("<tool_call>\n", "<tool_call>[")
    .replace("}\n</tool_call>", "}]</tool_call>")
)
"""In the shape of SmolLM: a tagged list, with arguments that are text already."""
LATE = (
    "{{ bos_token }}{% set last = (messages | selectattr('role', 'equalto', 'user') | list)[-1] %}"
    "{% for m in messages %}{% if m.role == 'user' %}{% if tools and m == last %}"
    "[AVAILABLE_TOOLS]{{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}[INST]{{ m.content }}[/INST]"
    "{% elif m.tool_calls %}[TOOL_CALLS][{% for c in m.tool_calls %}"
    '{{ \'{"name": "\' + c.function.name + \'", "arguments": \' + c.function.arguments | tojson }}'
    "{{ ', \"id\": \"' + c.id + '\"}' }}{% endfor %}]{{ eos_token }}"
    "{% elif m.role == 'tool' %}"
    "[TOOL_RESULTS]{{ {'content': m.content, 'call_id': m.tool_call_id} | tojson }}"
    "[/TOOL_RESULTS]{% elif m.role == 'assistant' %}{{ m.content + eos_token }}"
    "{% else %}{{ raise_exception('no system role') }}{% endif %}{% endfor %}"
)
"""In the shape of Mistral: the tools stand before the last question only, so that they move."""
NATIVE = {"tags": TAGS, "object": OBJECT, "listed": LISTED, "textual": TEXTUAL}
"""Templates that show tools and calls themselves."""
TEMPLATES = {
    **NATIVE,
    "ChatML": CHATML,
    "ChatML with grouped results": GROUPED,
    "headers": HEADERS,
    "headers and a date": DATED,
    "strict": STRICT,
    "INST": INST,
    "forgetful": FORGETFUL,
    "channels": CHANNELS,
}
LOOK = ToolSpec("look", "Look it up.", {"type": "object", "properties": {"at": {"type": "string"}}})
ASKED = Transcript((LOOK,), (UserTurn("Where is it?"),))
PLANNED = ASKED.plus(PlannerTurn("I look in two places.", "caller"))
SEEN = PLANNED.plus(
    CallerTurn((Call("look", {"at": "here"}), Call("look", {"at": "there"}))),
    ToolTurn("look", "it is here"),
    ToolTurn("look", "no such place", True),
)
KNOWN = SEEN.plus(PlannerTurn("I know it.", "summarizer"))
ANSWERED = KNOWN.plus(SummarizerTurn("It is here."), UserTurn("Move it."))
GIVEN_UP = ANSWERED.plus(PlannerTurn("No tool can move things.", "give up"), UserTurn("A pity."))
STEPS = [ASKED, SEEN, ANSWERED, GIVEN_UP]
"""The transcripts at whose ends a model writes, each the beginning of the next."""

CONTROL = re.compile(
    r"<\|[a-z_]+\|>|</?s>|<(?:start|end)_of_turn>|</?tool_(?:call|response)>|</?think>|\[/?[A-Z_]+\]"
)


class Letters:
    """A tokenizer with a token a letter and one a control token; `prefix` begins each text with a space."""

    def __init__(self, prefix: str = "", eager: str = "") -> None:
        self._prefix = prefix
        self._eager = eager
        self._names: list[str] = []

    def __call__(self, text: str, special: bool) -> list[int]:
        ids: list[int] = []
        for at, piece in enumerate(re.split(f"({CONTROL.pattern})", text)):
            if at % 2 and (special or piece == self._eager):
                ids.append(self._id(piece))
            elif piece:
                ids += map(ord, (self._prefix if at == 0 else "") + piece)
        return ids

    def text(self, ids: list[int]) -> str:
        """What the ids stand for."""
        return "".join(chr(i) if i < 0x110000 else self._names[i - 0x110000] for i in ids)

    def controls(self, ids: list[int]) -> list[str]:
        """The control tokens among the ids."""
        return [self._names[i - 0x110000] for i in ids if i >= 0x110000]

    def _id(self, name: str) -> int:
        if name not in self._names:
            self._names.append(name)
        return 0x110000 + self._names.index(name)


def template(source: str) -> ChatTemplate:
    return ChatTemplate(source, bos="<s>", eos="</s>")


def prompts(source: str, tokenize: Letters | None = None) -> ChatPrompts:
    return ChatPrompts(template(source), tokenize or Letters())


def examples(user: str, assistant: str) -> str:
    """The examples that begin a conversation with tools; both forms hold `{}` for the text."""
    return "".join(user.format(asked) + assistant.format(answered) for asked, answered in EXAMPLES)


def shown(source: str, transcript: Transcript) -> str:
    tokenize = Letters()
    return tokenize.text(prompts(source, tokenize).prompt(transcript))
