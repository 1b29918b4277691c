"""Hotwords in the searches of transformers: the terms of a graph, the text of tokens, and what recognisers write."""

import numpy as np
import pytest
import torch
from support import tiny_speech_llms as tiny
from support.tiny_transformers import write_whisper

import firered
from firered.asr.families.transformers_graph import GraphTerms, token_texts
from firered.hotwords.lists import HotwordList, Phrase
from firered.runtime.context import Context
from firered.search.context_graph import ContextGraph
from firered.search.context_graph import Phrase as Weighted
from firered.search.hotwords import Hotwords
from firered.search.vocabulary import Vocabulary
from firered.text.spelling import spell_phrase

TOKENS = [None, " a", "a", "b", " ", "ab", " c", "c", "海", "星"]
END = 0
MAKERS = {
    "whisper": write_whisper,
    "moonshine": tiny.write_moonshine,
    "qwen2_audio": tiny.write_qwen2_audio,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root, there = tmp_path_factory.mktemp("models"), {}

    def directory(name):
        if name not in there:
            there[name] = MAKERS[name](root / name)
        return there[name]

    return directory


def hotwords_of(*phrases):
    graph = ContextGraph([Weighted(spell_phrase(text), weight) for text, weight in phrases])
    return Hotwords(graph, Vocabulary(TOKENS))


def speech(seconds, seed=0):
    count = round(16000 * seconds)
    envelope = 1.0 + np.sin(np.arange(count) / 3000)
    return (np.random.default_rng(seed).normal(0, 2000, count) * envelope).astype(np.int16)


def test_what_a_hypothesis_earns_step_by_step_is_the_bonus_of_its_text():
    hotwords = hotwords_of(("ab c", 1.0), ("海星", 2.0), ("c", 0.5))
    rng = np.random.default_rng(0)
    earned_any = 0
    for _ in range(200):
        rows = rng.integers(1, len(TOKENS), (4, 9))  # two windows with two hypotheses each; the second has no list
        terms = GraphTerms([hotwords, None], beams=2, given=1)
        begin = np.full((4, 1), 7)  # of the prompt: no text
        sums = np.zeros(4)
        for length in range(10):
            given = torch.tensor(np.concatenate([begin, rows[:, :length]], 1))
            scores = terms(given, torch.zeros(4, len(TOKENS) + 2))  # a network may have more tokens
            following = rows[:, length] if length < 9 else np.full(4, END)
            sums += scores[range(4), following].numpy()
        for row in range(2):
            expected = hotwords.graph.bonus(hotwords.vocabulary.spelt(rows[row]))
            assert sums[row] == pytest.approx(expected, abs=1e-4)
            earned_any += expected > 0
        assert sums[2:].tolist() == [0.0, 0.0]
    assert earned_any > 100


def test_hypotheses_that_a_search_puts_in_another_order_keep_what_they_have_earned():
    hotwords = hotwords_of(("ab", 1.0))
    terms = GraphTerms([hotwords], beams=2, given=0)
    terms(torch.zeros(2, 0, dtype=torch.long), torch.zeros(2, len(TOKENS)))
    terms(torch.tensor([[1], [6]]), torch.zeros(2, len(TOKENS)))
    swapped = terms(torch.tensor([[6, 7], [1, 3]]), torch.zeros(2, len(TOKENS)))
    alone = GraphTerms([hotwords], beams=1, given=0)(torch.tensor([[1, 3]]), torch.zeros(1, len(TOKENS)))
    assert swapped[1].tolist() == alone[0].tolist()


class _Pieces:
    """A tokenizer in the manner of SentencePiece."""

    all_special_ids = (0,)
    pieces = ("</s>", "▁hot", "word", "<0xE4>", "海")

    def __len__(self):
        return len(self.pieces)

    def convert_ids_to_tokens(self, number):
        return self.pieces[number]


def test_tokens_are_text_whatever_the_tokenizer():
    assert token_texts(_Pieces(), 6) == [None, " hot", "word", b"\xe4", "海", None]


@pytest.mark.parametrize("name", MAKERS)
def test_the_texts_of_a_models_tokens_are_what_its_tokenizer_writes(made, name):
    loaded = firered.load(made(name), device="cpu").loaded
    texts = loaded.token_texts()
    known = [number for number, text in enumerate(texts) if text is not None]
    assert len(texts) == loaded.network.get_output_embeddings().out_features
    rng = np.random.default_rng(1)
    for _ in range(20):
        ids = rng.choice(known, 6).tolist()
        parts = [texts[number] for number in ids]
        joined = b"".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        plain = loaded.tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        assert joined.decode(errors="replace").strip() == plain.strip()


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("name", MAKERS)
def test_a_list_of_much_weight_is_written_and_no_list_changes_nothing(made, name, beams):
    samples = [speech(2.0, seed) for seed in range(3)]
    options = {"device": "cpu", "beam_size": beams, "max_length": 20}
    language = {"language": "en"} if name == "whisper" else {}
    plain = firered.load(made(name), **options)
    biased = firered.load(made(name), **options, hotword_use="graph", hotword_score=400.0, guard_echo=False)
    without = [plain(own, context=Context(**language)) for own in samples]
    hotwords = HotwordList([Phrase("hob")])
    for own, expected in zip(samples, without, strict=True):
        assert biased(own, context=Context(**language)) == expected
        assert "hob" not in expected.text
        found = biased(own, context=Context(**language, hotwords=hotwords))
        assert "hob" in found.text.split()
        assert any(hotword.text == "hob" and "graph" in hotword.used for hotword in found.hotwords)


@pytest.mark.parametrize("name", MAKERS)
def test_probabilities_are_without_the_bonus(made, name):
    context = {"language": "en"} if name == "whisper" else {}
    asr = firered.load(made(name), device="cpu", max_length=12, hotword_use="graph", hotword_score=0.001)
    samples = speech(2.0, 4)
    plain = asr(samples, context=Context(**context))
    hotwords = HotwordList([Phrase(plain.text[:1] or "a"), Phrase("zz")])
    found = asr(samples, context=Context(**context, hotwords=hotwords))
    assert found.text == plain.text  # so small a score changes nothing
    assert found.token_confidence == pytest.approx(plain.token_confidence, abs=1e-6)
    asr = firered.load(
        made(name), device="cpu", max_length=12, hotword_use="graph", hotword_score=400.0, guard_echo=False
    )
    found = asr(samples, context=Context(**context, hotwords=HotwordList([Phrase("hob")])))
    assert min(found.token_confidence) < 0.5  # what was forced is not sure


def test_windows_of_a_batch_have_their_own_lists(made):
    asr = firered.load(
        made("whisper"), device="cpu", hotword_use="graph", hotword_score=400.0, guard_echo=False, max_length=20
    )
    lists = [["hob"], [], ["gud"], ["hob"]]
    contexts = [Context(language="en", hotwords=HotwordList(map(Phrase, own))) for own in lists]
    samples = [speech(2.0, seed) for seed in range(4)]
    alone = [asr(own, context=context).text for own, context in zip(samples, contexts, strict=True)]
    with torch.inference_mode():
        batch = asr.kind.decode(
            [asr.loaded.resampled(own) for own in samples],
            [Context(language="en")] * 4,
            asr.biasing.graphs([tuple(own.hotwords) for own in contexts]),
        )
    assert [answer.text for answer in batch] == alone
    assert "gud" in batch[2].text.split()
