"""The five stages of supervised training (FunAudio-ASR report, section 4.2), and what each of them trains."""

from firered.errors import OptionError

ENCODER, ADAPTOR, LLM, LORA, CTC = "encoder", "adaptor", "llm", "lora", "ctc"
PARTS = (ENCODER, ADAPTOR, LLM, LORA, CTC)  # of a speech-LLM; LLM: all weights of the language model
LAST = 5  # which trains the CTC head
STAGES = {
    1: (ADAPTOR,),
    2: (ENCODER, ADAPTOR),
    3: (LORA,),
    4: (ENCODER, ADAPTOR, LORA),
    LAST: (CTC,),
}


def parts_of(stage: int, trains: str, default: str) -> frozenset[str]:
    """What is trained: the parts that `trains` names, else those of the stage, else those of `default`.

    Raises:
        OptionError: a part is unknown, parts exclude each other, or both are given and differ.
    """
    given = frozenset(trains.split())
    if unknown := sorted(given - set(PARTS)):
        raise OptionError(f"trains: {' '.join(unknown)}: known are {', '.join(PARTS)}")
    if {LLM, LORA} <= given:
        raise OptionError("trains: llm is all of the language model's weights, so that lora has nothing to add")
    if CTC in given and not given <= {CTC, ENCODER}:
        raise OptionError("trains: ctc is trained alone, on an encoder that stays (stage 5), or with encoder")
    own = frozenset(STAGES.get(stage, ()))
    if stage and given and given != own:
        raise OptionError(
            f"stage {stage} trains {' '.join(sorted(own))}, trains says {' '.join(sorted(given))}: give one"
        )
    return own or given or frozenset(default.split())
