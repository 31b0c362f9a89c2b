"""How a stage writes a transcript, by the method of the recipe: the only place with prompt text of `train`.

A role's header is its whole instruction, in both stages and in use. The paper measures what that is worth
by doing otherwise (arXiv 2401.07324, section 4 and Table 1): roles that read other headers and an
instruction that stage 1 never saw, or one model that writes thought, call and answer in one turn. Nothing in
`agent` writes such prompts, so what is trained on them is measured and not exported.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from agent.prompting import Markers, Segment, Tokenize, segment, segments
from agent.prompting.encoding import Encoded, encode_segments, view_roles
from agent.transcript import CallerTurn, PlannerTurn, SummarizerTurn, Transcript

ASSISTANT = "assistant"
"""The header of the one model that plays all roles."""

_OTHER_NAMES = {"planner": "thought", "caller": "action", "summarizer": "answer"}
_INSTRUCTIONS = {
    "planner": "You see a conversation and the tools on offer. Write a thought: what is known and what is to"
    " be done next. End with a line that says who goes on: `Next: caller` where a tool has to be called,"
    " `Next: summarizer` where the answer can be given, `Next: give up` where no tool can help.",
    "caller": "You see a conversation and the tools on offer. Write the action that the last thought asks"
    ' for: one JSON object a line, {"name":"…","arguments":{…}}, with the name of a tool and its parameters.',
    "summarizer": "You see a conversation and what the tools returned. Write the answer for the user, resting"
    " on what was returned.",
}


@dataclass(frozen=True)
class PromptFormat:
    """How transcripts are written for a stage. The default is that of use."""

    names: Mapping[str, str] = field(default_factory=dict)
    """Headers of roles' turns that are not the role's name."""
    instruction: str = ""
    """A system turn that follows the tools and what instruction the transcript has."""
    joined: bool = False
    """Whether a planner's turn and the one it hands over to are one turn of the assistant's."""

    def segments(self, transcript: Transcript) -> Iterator[Segment]:
        """The transcript's turns as text."""
        if self.instruction:
            parts = [part for part in (transcript.instruction, self.instruction) if part]
            transcript = replace(transcript, instruction="\n\n".join(parts))
        if self.joined:
            yield from segments(replace(transcript, turns=()))
            yield from _joined(transcript)
        else:
            for piece in segments(transcript):
                yield Segment(self.names.get(piece.role, piece.role), piece.content)

    def encode(self, transcript: Transcript, name: str, tokenize: Tokenize, markers: Markers) -> Encoded:
        """`transcript` with the turns of a view (`backbone` or a role) to learn."""
        learnt = (ASSISTANT,) if self.joined else [self.names.get(role, role) for role in view_roles(name)]
        return encode_segments(self.segments(transcript), learnt, tokenize, markers)


INFERENCE_FORMAT = PromptFormat()


def prompt_format_of(method: str, stage: str) -> PromptFormat:
    """How `stage` (`backbone` or a role) writes transcripts under a recipe's method."""
    if method == "one-model":
        return PromptFormat(joined=True)
    if method == "two-stage-without-reuse" and stage in _INSTRUCTIONS:
        return PromptFormat(_OTHER_NAMES, _INSTRUCTIONS[stage])
    return INFERENCE_FORMAT


def _joined(transcript: Transcript) -> Iterator[Segment]:
    thought = ""
    for turn in transcript.turns:
        piece = segment(turn)
        if isinstance(turn, PlannerTurn) and turn.next != "give up":
            thought = f"{piece.content}\n"
        elif isinstance(turn, PlannerTurn | CallerTurn | SummarizerTurn):
            yield Segment(ASSISTANT, thought + piece.content)
            thought = ""
        else:
            thought = ""
            yield piece
