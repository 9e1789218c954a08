"""Small sentence-transformers models with random weights, one for each way to be one.

Weights are drawn wide, so that different texts get clearly different vectors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

WORDS = (
    "a the of to in on with is are direction meaning magnitude cosine vector angle quick brown fox",
    "jumps over lazy dog search query document nearest model text word sentence 0 1 2 3 4 5 6 7 8",
)
WIDTH = 32
WINDOW = 48


def bert_tokenizer() -> Any:
    """WordPiece over letters and WORDS, [CLS] and [SEP] around, lower-cased."""
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = [chr(c) for c in range(33, 127)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{c}" for c in letters)]
    vocabulary = {
        piece: place
        for place, piece in enumerate(dict.fromkeys([*pieces, *" ".join(WORDS).split()]))
    }
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    special = {f"{name}_token": token for name, token in names.items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=WINDOW, **special)


def byte_tokenizer(front: str, back: str, padding_side: str = "right") -> Any:
    """Bytes as tokens; ``<pad>`` is 1 as RoBERTa has it."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    marks = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: place for place, piece in enumerate([*marks, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{front} $A {back}".strip(), special_tokens=[("<s>", 0), ("</s>", 2), ("<mask>", 4)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=WINDOW,
        padding_side=padding_side,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token="<mask>",
        model_input_names=["input_ids", "attention_mask"],
    )


def _shape(tokenizer: Any, **more: Any) -> dict[str, Any]:
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": WIDTH,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
        "initializer_range": 0.3,
        "pad_token_id": tokenizer.pad_token_id,
        **more,
    }


def _save(
    folder: Path, config: Any, tokenizer: Any, modules: Callable[[], list[Any]], **options: Any
) -> Path:
    """Save a transformer of this configuration, followed by these modules."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Transformer
    from transformers import AutoModel

    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = folder.with_name(folder.name + "-plain")
        AutoModel.from_config(config).float().save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        first = Transformer(str(plain), max_seq_length=WINDOW)
        model = SentenceTransformer(modules=[first, *modules()], device="cpu", **options)
        model.save(str(folder), create_model_card=False)
    return folder


def save_bert(folder: Path) -> Path:
    """BERT, mean pooling, normalised: the shape of the default model."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import BertConfig

    tokenizer = bert_tokenizer()
    config = BertConfig(**_shape(tokenizer, max_position_embeddings=64))
    return _save(folder, config, tokenizer, lambda: [Pooling(WIDTH, "mean"), Normalize()])


def save_roberta(folder: Path) -> Path:
    """RoBERTa, the first token pooled, not normalised, a prompt for each role."""
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import RobertaConfig

    tokenizer = byte_tokenizer("<s>", "</s>")
    config = RobertaConfig(**_shape(tokenizer, max_position_embeddings=64))
    prompts = {"query": "ask: ", "passage": "tell: "}
    return _save(folder, config, tokenizer, lambda: [Pooling(WIDTH, "cls")], prompts=prompts)


def save_xlm_roberta(folder: Path) -> Path:
    """XLM-RoBERTa, mean pooling that leaves the prompt out."""
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import XLMRobertaConfig

    tokenizer = byte_tokenizer("<s>", "</s>")
    config = XLMRobertaConfig(**_shape(tokenizer, max_position_embeddings=64))
    prompts = {"query": "Represent the question: ", "document": "Represent: "}
    modules = [Pooling(WIDTH, "mean", include_prompt=False)]
    return _save(folder, config, tokenizer, lambda: modules, prompts=prompts)


def save_mpnet(folder: Path) -> Path:
    """MPNet, mean and largest pooled, a dense layer, cut to 12 dimensions (Matryoshka)."""
    from sentence_transformers.sentence_transformer.modules import Dense, Pooling
    from transformers import MPNetConfig

    tokenizer = byte_tokenizer("<s>", "</s>")
    config = MPNetConfig(**_shape(tokenizer, max_position_embeddings=64))
    modules = [Pooling(WIDTH, ("mean", "max")), Dense(2 * WIDTH, 24)]
    return _save(folder, config, tokenizer, lambda: modules, truncate_dim=12)


def save_modernbert(folder: Path) -> Path:
    """ModernBERT, whose every other layer attends to near tokens only."""
    from sentence_transformers.sentence_transformer.modules import Pooling
    from transformers import ModernBertConfig

    tokenizer = byte_tokenizer("<s>", "</s>")
    shape = _shape(tokenizer, max_position_embeddings=64, local_attention=8)
    config = ModernBertConfig(
        **shape, bos_token_id=0, eos_token_id=2, cls_token_id=0, sep_token_id=2,
        global_attn_every_n_layers=2, initializer_cutoff_factor=3.0,
    )  # fmt: skip
    return _save(folder, config, tokenizer, lambda: [Pooling(WIDTH, "mean")])


def save_qwen3(folder: Path) -> Path:
    """Qwen3, a decoder, the last token pooled, padded on the left, a prompt for queries."""
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
    from transformers import Qwen3Config

    tokenizer = byte_tokenizer("", "</s>", padding_side="left")
    shape = _shape(tokenizer, max_position_embeddings=64, num_key_value_heads=2, head_dim=8)
    config = Qwen3Config(**shape, architectures=["Qwen3Model"], eos_token_id=2, bos_token_id=0)
    prompts = {"query": "Instruct: find it\nQuery:", "document": ""}
    modules = [Pooling(WIDTH, "lasttoken"), Normalize()]
    return _save(folder, config, tokenizer, lambda: modules, prompts=prompts)


def save_static(folder: Path) -> Path:
    """Static word vectors: no transformer, no special tokens, nothing to convert."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding

    torch.manual_seed(7)
    tokenizer = bert_tokenizer().backend_tokenizer
    weights = torch.randn(tokenizer.get_vocab_size(), WIDTH)
    model = SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=weights)])
    model.save(str(folder), create_model_card=False)
    return folder


def save_mapped_static(folder: Path) -> Path:
    """Static word vectors with a dense layer after them, which only torch runs."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, StaticEmbedding

    torch.manual_seed(7)
    tokenizer = bert_tokenizer().backend_tokenizer
    weights = torch.randn(tokenizer.get_vocab_size(), WIDTH)
    words = StaticEmbedding(tokenizer, embedding_weights=weights)
    model = SentenceTransformer(modules=[words, Dense(WIDTH, 24)])
    model.save(str(folder), create_model_card=False)
    return folder


def _save_cross(folder: Path, config: Any, tokenizer: Any) -> Path:
    """Save a cross-encoder of this configuration."""
    import torch
    from sentence_transformers import CrossEncoder
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = folder.with_name(folder.name + "-plain")
        AutoModelForSequenceClassification.from_config(config).float().save_pretrained(plain)
        tokenizer.save_pretrained(plain)
        model = CrossEncoder(str(plain), device="cpu", local_files_only=True)
        model.save(str(folder), create_model_card=False)
    return folder


def save_cross_bert(folder: Path, labels: int = 1) -> Path:
    """A BERT that tells the two texts of a pair apart by types of tokens; sigmoid scores."""
    from tokenizers import processors
    from transformers import BertConfig

    tokenizer = bert_tokenizer()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    shape = _shape(tokenizer, max_position_embeddings=64, num_labels=labels)
    return _save_cross(folder, BertConfig(**shape), tokenizer)


def save_cross_roberta(folder: Path) -> Path:
    """A RoBERTa, without types of tokens; its scores are logits, as its configuration says."""
    from tokenizers import processors
    from transformers import RobertaConfig

    tokenizer = byte_tokenizer("<s>", "</s>")
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    activation = {"activation_fn": "torch.nn.modules.linear.Identity"}
    shape = _shape(tokenizer, max_position_embeddings=64, num_labels=1)
    config = RobertaConfig(**shape, sentence_transformers=activation)
    return _save_cross(folder, config, tokenizer)


SIDE = 32
"""Pixels of the images of the small models that see."""


def _vision() -> dict[str, Any]:
    return {
        "hidden_size": WIDTH,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
    }


def _save_seeing(folder: Path, model: Any, processor: Any) -> Path:
    """Save a model of texts and images as sentence-transformers does."""
    from sentence_transformers import SentenceTransformer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain = folder.with_name(folder.name + "-plain")
        model.eval().save_pretrained(plain)
        processor.save_pretrained(plain)
        SentenceTransformer(str(plain), device="cpu").save(str(folder), create_model_card=False)
    return folder


def save_clip(folder: Path) -> Path:
    """CLIP: the vector of a text is that of its closing token, images are cut to a square."""
    import torch
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPProcessor

    torch.manual_seed(7)
    # Were the closing token's id 2, the vector would be that of the token with the largest id.
    tokenizer = byte_tokenizer("<s>", "<mask>")
    text = {**_shape(tokenizer, max_position_embeddings=WINDOW), "bos_token_id": 0}
    config = CLIPConfig(
        text_config={**text, "eos_token_id": 4}, vision_config=_vision(), projection_dim=24
    )
    images = CLIPImageProcessorPil(
        size={"shortest_edge": SIDE + 4}, crop_size={"height": SIDE, "width": SIDE}
    )
    return _save_seeing(folder, CLIPModel(config), CLIPProcessor(images, tokenizer))


def save_siglip(folder: Path) -> Path:
    """SigLIP: the vector of a text is that of its last place, so texts are padded to the window."""
    import torch
    from transformers import SiglipConfig, SiglipImageProcessorPil, SiglipModel, SiglipProcessor

    torch.manual_seed(7)
    tokenizer = byte_tokenizer("", "</s>")
    shape = _shape(tokenizer, max_position_embeddings=WINDOW, projection_size=WIDTH)
    config = SiglipConfig(text_config=shape, vision_config=_vision())
    images = SiglipImageProcessorPil(size={"height": SIDE, "width": SIDE})
    return _save_seeing(folder, SiglipModel(config), SiglipProcessor(images, tokenizer))


def save_router(folder: Path) -> Path:
    """A Router by modality: BERT for texts, whose whole folder lies in it, and a ViT for images."""
    import shutil

    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import (
        Normalize,
        Pooling,
        Router,
        Transformer,
    )
    from transformers import ViTConfig, ViTImageProcessorPil, ViTModel

    texts = save_bert(folder.with_name(folder.name + "-texts"))
    plain = folder.with_name(folder.name + "-images")
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ViTModel(ViTConfig(**_vision(), initializer_range=0.3)).save_pretrained(plain)
        ViTImageProcessorPil(size={"height": SIDE, "width": SIDE}).save_pretrained(plain)
        words = SentenceTransformer(str(texts), device="cpu")
        images = [Transformer(str(plain)), Pooling(WIDTH, "mean")]
        router = Router({"text": [words[0], words[1]], "image": images})
        model = SentenceTransformer(modules=[router, Normalize()], device="cpu")
        model.save(str(folder), create_model_card=False)
    shutil.rmtree(folder / "text_0_Transformer")
    shutil.copytree(texts, folder / "text_0_Transformer")
    return folder


SEEING: Mapping[str, Callable[[Path], Path]] = {
    "clip": save_clip,
    "siglip": save_siglip,
    "router": save_router,
}
"""What embeds texts and images."""

CROSS_ENCODERS: Mapping[str, Callable[[Path], Path]] = {
    "bert": save_cross_bert,
    "roberta": save_cross_roberta,
}
"""What reranks, by architecture."""

CONVERTIBLE: Mapping[str, Callable[[Path], Path]] = {
    "bert": save_bert,
    "roberta": save_roberta,
    "xlm-roberta": save_xlm_roberta,
    "mpnet": save_mpnet,
    "modernbert": save_modernbert,
    "qwen3": save_qwen3,
}
"""What OpenVINO takes."""

MODELS: Mapping[str, Callable[[Path], Path]] = {**CONVERTIBLE, "static": save_static}
"""All of them, by architecture."""
