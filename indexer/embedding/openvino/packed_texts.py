"""BERT's encoder, and RoBERTa's, as graphs for texts packed one behind another without padding.

Products with weights, which take most of the time, see one matrix with a row for each token of all
texts; a mask keeps the attention of each token within its own text. So a few texts of any lengths
fill a graph of a fixed shape, which is faster than one of any shape (see ``shape_buckets``).

The graph is made of the weights of a traced one, which it shares, by the names that its modules
have in transformers. It has one input, PACK, (6, tokens) int32; :func:`pack` says what its rows
are. The output is (tokens, dimension) float32: the sums over each text's pooled tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from indexer.embedding.tokenizer import Setup

if TYPE_CHECKING:
    import openvino

PACK: Final = "pack"
"""The name of the input."""

POOLINGS: Final = ("mean", "cls")
"""The poolings there are graphs for."""

OUTSIDE: Final = -1e4
"""Added to the score of a token of another text: its share is then 0 in every precision."""


def pack(
    ids: NDArray[np.int32], mask: NDArray[np.int32], pooled: NDArray[np.int32], tokens: int
) -> NDArray[np.int32]:
    """The texts of a padded batch, (n, length), as the input of a graph for so many tokens.

    Its rows are the ids, the places within the texts, the texts' numbers, and 1 for tokens that
    are pooled; then for each text where it starts and where it ends. What is left over is filled
    up with a text of number -1.
    """
    text, place = np.nonzero(mask)
    packed = np.zeros((6, tokens), np.int32)
    packed[2] = -1
    packed[:4, : len(text)] = ids[text, place], place, text, pooled[text, place]
    lengths = mask.sum(axis=1)
    packed[5, : len(lengths)] = np.cumsum(lengths)
    packed[4, : len(lengths)] = packed[5, : len(lengths)] - lengths
    return packed


class PackedTexts:
    """The graphs for packed texts of a traced model."""

    def __init__(self, graph: openvino.Model, setup: Setup) -> None:
        """Find the weights in the graph; raises LookupError if it is no such encoder, pooled so.

        Of a model that is like BERT and is not, the graphs may give other vectors.
        """
        self._pooling = setup.pooling
        if self._pooling not in POOLINGS:
            raise LookupError(self._pooling)
        self._nodes = {node.get_friendly_name(): node for node in graph.get_ops()}
        self._prefix = self._find_prefix("embeddings.word_embeddings.weight")
        kinds = {node.get_type_name(): node for node in graph.get_ops()}
        self._epsilon = float(kinds["MVN"].get_attributes()["eps"])
        self._activation = str(kinds["Gelu"].get_attributes()["approximation_mode"])
        queries = kinds["ScaledDotProductAttention"].input(0)
        self._head = queries.get_partial_shape()[3].get_length()
        self._width = self._weight("embeddings.LayerNorm.weight").output(0).get_shape()[0]
        # RoBERTa counts places from behind the padding's, of tokens that are no padding.
        self._first = setup.pad_id + 1 if "CumSum" in kinds else 0
        self._layers = sum(name.endswith(".intermediate.dense.weight") for name in self._nodes)

    def _find_prefix(self, ending: str) -> str:
        found: list[str] = [name for name in self._nodes if name.endswith(ending)]
        if not found:
            raise LookupError(ending)
        return found[0].removesuffix(ending)

    def lay(self, tokens: int) -> openvino.Model:
        """The graph for so many tokens."""
        import openvino
        from openvino import opset13 as opset

        given = opset.parameter([-1, -1], openvino.Type.i32)  # as those of an If must be
        given.output(0).set_names({PACK})
        shaped = opset.reshape(given, _whole(6, tokens), False)
        ids, places, texts, pooled, starts, ends = (
            opset.gather(shaped, _whole(row), _whole(0)) for row in range(6)
        )
        inside = opset.equal(texts, opset.transpose(texts, _whole(1, 0)))  # (tokens, tokens)
        outside = opset.select(inside, _number(0.0), _number(OUTSIDE))
        outside = opset.unsqueeze(outside, _whole(0, 1))  # (1, 1, tokens, tokens)
        hidden = self._embed(ids, places)  # (1, tokens, width)
        for layer in range(self._layers):
            hidden = self._transform(hidden, outside, f"encoder.layer.{layer}.", tokens)
        hidden = opset.squeeze(hidden, _whole(0))
        starts, ends = (opset.squeeze(row, _whole(0)) for row in (starts, ends))
        vectors = self._pool(hidden, pooled, starts, ends)
        return openvino.Model([opset.result(vectors)], [given])

    def _pool(
        self,
        hidden: openvino.Node,
        pooled: openvino.Node,
        starts: openvino.Node,
        ends: openvino.Node,
    ) -> openvino.Node:
        """The sums over each text's pooled tokens, or its first token, (tokens, width).

        Without a matrix product: what comes after the last of these stays in float32.
        """
        from openvino import opset13 as opset

        if self._pooling == "cls":
            return opset.gather(hidden, starts, _whole(0))
        kept = opset.multiply(hidden, opset.convert(opset.transpose(pooled, _whole(1, 0)), "f32"))
        none = opset.constant(np.zeros((1, self._width), np.float32))
        sums = opset.concat([none, opset.cum_sum(kept, 0)], 0)  # (tokens + 1, width): of all before
        return opset.subtract(
            opset.gather(sums, ends, _whole(0)), opset.gather(sums, starts, _whole(0))
        )

    def _embed(self, ids: openvino.Node, places: openvino.Node) -> openvino.Node:
        from openvino import opset13 as opset

        words, positions, kinds = (
            self._weight(f"embeddings.{name}_embeddings.weight")
            for name in ("word", "position", "token_type")
        )
        hidden = opset.add(opset.gather(words, ids, _whole(0)), opset.gather(kinds, 0, _whole(0)))
        places = opset.add(places, opset.constant(np.int32(self._first)))
        hidden = opset.add(hidden, opset.gather(positions, places, _whole(0)))
        return self._normalise(hidden, "embeddings.LayerNorm")

    def _transform(
        self, hidden: openvino.Node, outside: openvino.Node, layer: str, tokens: int
    ) -> openvino.Node:
        """One layer: attention, then the two wide products, each added to what it was given."""
        from openvino import opset13 as opset

        queries, keys, values = (
            self._part(self._multiply(hidden, f"{layer}attention.self.{name}"), tokens)
            for name in ("query", "key", "value")
        )
        seen = opset.scaled_dot_product_attention(queries, keys, values, outside)
        seen = opset.transpose(seen, _whole(0, 2, 1, 3))  # (1, tokens, heads, width of a head)
        seen = opset.reshape(seen, _whole(1, tokens, -1), False)
        seen = self._multiply(seen, f"{layer}attention.output.dense")
        hidden = self._normalise(opset.add(seen, hidden), f"{layer}attention.output.LayerNorm")
        wide = opset.gelu(self._multiply(hidden, f"{layer}intermediate.dense"), self._activation)
        narrow = self._multiply(wide, f"{layer}output.dense")
        return self._normalise(opset.add(narrow, hidden), f"{layer}output.LayerNorm")

    def _part(self, hidden: openvino.Node, tokens: int) -> openvino.Node:
        """The heads of each token, (1, heads, tokens, width of a head)."""
        from openvino import opset13 as opset

        parted = opset.reshape(hidden, _whole(1, tokens, -1, self._head), False)
        return opset.transpose(parted, _whole(0, 2, 1, 3))

    def _multiply(self, hidden: openvino.Node, name: str) -> openvino.Node:
        from openvino import opset13 as opset

        product = opset.matmul(hidden, self._weight(f"{name}.weight"), False, True)
        return opset.add(product, self._weight(f"{name}.bias"))

    def _normalise(self, hidden: openvino.Node, name: str) -> openvino.Node:
        from openvino import opset13 as opset

        even = opset.mvn(hidden, _whole(-1), True, self._epsilon, "inside_sqrt")
        scaled = opset.multiply(even, self._weight(f"{name}.weight"))
        return opset.add(scaled, self._weight(f"{name}.bias"))

    def _weight(self, name: str) -> openvino.Node:
        return self._nodes[self._prefix + name]


def _whole(*numbers: int) -> openvino.Node:
    """A constant of whole numbers, (n,)."""
    from openvino import opset13 as opset

    return opset.constant(np.array(numbers, np.int64))


def _number(number: float) -> openvino.Node:
    from openvino import opset13 as opset

    return opset.constant(np.float32(number))
