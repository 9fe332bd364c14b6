//! What of a decoder is trained: all weights or, with adapters, the adapters and a head that is not the vocabulary's.

use burn::Tensor;

use super::Decoder;
use crate::{
    error::{Error, Result},
    ops::Weight,
    spec::Head,
};

impl Decoder {
    /// The tensors that are trained, in a fixed order.
    pub(crate) fn leaves(&self) -> impl Iterator<Item = &Tensor<2>> {
        let whole = self.adapters.is_none();
        let head = self.trained_head();
        let weights = self
            .weights
            .iter()
            .enumerate()
            .filter(move |(id, _)| whole || Some(*id) == head)
            .map(|(_, w)| w);
        let adapters = self
            .adapters
            .iter()
            .flat_map(|a| &a.list)
            .flat_map(|a| [&a.a, &a.b]);
        weights.chain(adapters).map(|w| &w.tensor)
    }

    /// The same, to be changed; layouts made by [`Decoder::freeze`] are forgotten.
    pub(crate) fn leaves_mut(&mut self) -> impl Iterator<Item = &mut Tensor<2>> {
        let whole = self.adapters.is_none();
        let head = self.trained_head();
        let weights = self
            .weights
            .iter_mut()
            .enumerate()
            .filter(move |(id, _)| whole || Some(*id) == head)
            .map(|(_, w)| w);
        let adapters = self
            .adapters
            .iter_mut()
            .flat_map(|a| &mut a.list)
            .flat_map(|a| [&mut a.a, &mut a.b]);
        weights.chain(adapters).map(Weight::change)
    }

    /// The names of the leaves, in the same order.
    #[must_use]
    pub fn leaf_names(&self) -> Vec<String> {
        let whole = self.adapters.is_none();
        let head = self.trained_head();
        let name = |id: usize| self.layout.rules[id].name.clone();
        let weights = (0..self.weights.len())
            .filter(|id| whole || Some(*id) == head)
            .map(name);
        let adapters =
            self.adapters.iter().flat_map(|a| &a.list).flat_map(|a| {
                ["a", "b"].map(|part| format!("{}.{}.lora_{part}", name(a.of), a.from))
            });
        weights.chain(adapters).collect()
    }

    /// Which leaves are matrices, in the same order: those that weight decay acts on.
    pub(crate) fn leaf_is_matrix(&self) -> Vec<bool> {
        let whole = self.adapters.is_none();
        let head = self.trained_head();
        let weights = self
            .layout
            .rules
            .iter()
            .enumerate()
            .filter(|(id, _)| whole || Some(*id) == head)
            .map(|(_, rule)| rule.shape.len() > 1);
        let adapters = self
            .adapters
            .iter()
            .flat_map(|a| &a.list)
            .flat_map(|_| [true, true]);
        weights.chain(adapters).collect()
    }

    /// Numbers in all leaves together.
    #[must_use]
    pub fn trained_parameters(&self) -> usize {
        self.leaves()
            .map(|t| t.dims().iter().product::<usize>())
            .sum()
    }

    /// The model at `share` of the way from `base` to this one, every leaf on its own line: 0 is `base`, 1 is this, and beyond 1 extrapolates.
    /// Weight interpolation (arXiv 2203.05482, 2406.16768). Both are of one description, with adapters of one shape.
    ///
    /// # Errors
    /// Leaves of other shapes.
    pub fn between(&self, base: &Self, share: f64) -> Result<Self> {
        let mut mixed = self.clone();
        if base.leaf_names() != self.leaf_names() {
            return Err(Error::bug("two models of different leaves cannot be mixed"));
        }
        for (leaf, from) in mixed.leaves_mut().zip(base.leaves()) {
            if leaf.dims() != from.dims() {
                return Err(Error::bug("two models of different shapes cannot be mixed"));
            }
            *leaf = from.clone() + (leaf.clone() - from.clone()).mul_scalar(share);
        }
        Ok(mixed)
    }

    /// A copy whose leaves are on a tape; the numbers are shared.
    pub(crate) fn taped(&self) -> Self {
        let mut taped = self.clone();
        for leaf in taped.leaves_mut() {
            *leaf = leaf.clone().autodiff().require_grad();
        }
        taped
    }

    /// The head, if it trains beside adapters: a fresh one has to.
    fn trained_head(&self) -> Option<usize> {
        (self.adapters.is_some() && self.spec.head != Head::CausalLm).then_some(self.layout.head)
    }
}
