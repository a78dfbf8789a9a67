//! A manager against a model that keeps every contribution in one flat list and aggregates anew each time.

use proptest::prelude::*;

use super::*;

const FIELDS: [(&str, AggregationRule); 6] = [
    ("status", AggregationRule::Worst),
    ("confidence", AggregationRule::Avg),
    ("error_count", AggregationRule::Sum),
    ("high", AggregationRule::Max),
    ("low", AggregationRule::Min),
    ("note", AggregationRule::Last),
];

#[derive(Clone, Debug)]
enum Op {
    Create(usize, ContextScope, Option<usize>),
    Set(usize, usize, Value),
    Erase(usize, usize),
    Up(usize),
    ToRoot(usize),
    Move(usize, Option<usize>),
    Remove(usize),
}

fn value() -> impl Strategy<Value = (usize, Value)> {
    let number = || (-8..40_i32).prop_map(|it| json!(f64::from(it) / 4.0));
    let whole = || (0..9_i32).prop_map(|it| json!(it));
    let status = prop::sample::select(STATUS_ORDER.to_vec()).prop_map(|it| json!(it));
    prop_oneof![
        4 => status.prop_map(|it| (0, it)),
        4 => (1..5_usize, number()),
        4 => (1..5_usize, whole()),
        2 => whole().prop_map(|it| (5, json!({"n": it}))),
        1 => (0..6_usize, Just(json!("neither status nor number"))),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let node = || 0..9_usize;
    let scope = prop::sample::select(ContextScope::ALL.to_vec());
    prop_oneof![
        3 => (node(), scope, prop::option::of(node())).prop_map(|(it, scope, parent)| Op::Create(it, scope, parent)),
        5 => (node(), value()).prop_map(|(it, (field, value))| Op::Set(it, field, value)),
        1 => (node(), 0..6_usize).prop_map(|(it, field)| Op::Erase(it, field)),
        3 => node().prop_map(Op::Up),
        3 => node().prop_map(Op::ToRoot),
        2 => (node(), prop::option::of(node())).prop_map(|(it, parent)| Op::Move(it, parent)),
        1 => node().prop_map(Op::Remove),
    ]
}

/// Two groups, three pipelines and four agents, so that most operations find somebody.
fn start() -> Vec<Op> {
    use ContextScope::{Agent, Group, Pipeline};
    let parents = [
        None,
        None,
        Some(0),
        Some(0),
        Some(1),
        Some(2),
        Some(2),
        Some(3),
        Some(1),
    ];
    let scopes = [
        Group, Group, Pipeline, Pipeline, Pipeline, Agent, Agent, Agent, Agent,
    ];
    let nodes = (0..).zip(scopes.into_iter().zip(parents));
    nodes
        .map(|(node, (scope, parent))| Op::Create(node, scope, parent))
        .collect()
}

#[derive(Clone)]
struct Node {
    scope: ContextScope,
    parent: Option<usize>,
    own: BTreeMap<usize, (u64, Value)>,
    /// What its parent counts of it.
    given: BTreeMap<usize, (u64, Value)>,
}

#[derive(Clone, Default)]
struct Model {
    nodes: BTreeMap<usize, Node>,
    turns: u64,
}

/// Why a model refuses.
#[derive(Debug, PartialEq)]
struct Refused;

impl Model {
    fn turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }

    fn children(&self, node: usize) -> impl Iterator<Item = (&usize, &Node)> {
        self.nodes
            .iter()
            .filter(move |(_, it)| it.parent == Some(node))
    }

    fn given_to(&self, node: usize, field: usize) -> Vec<(u64, Value)> {
        let given = self
            .children(node)
            .filter_map(|(_, it)| it.given.get(&field));
        given.cloned().collect()
    }

    fn visible(&self, node: usize, field: usize) -> Option<Value> {
        let mut values = self.given_to(node, field);
        let own = self.nodes[&node].own.get(&field).cloned();
        if values.is_empty() {
            return own.map(|(_, value)| value);
        }
        values.extend(own);
        Some(naive(FIELDS[field].1, values))
    }

    fn fits(&self, child: usize, parent: Option<usize>) -> Result<(), Refused> {
        let Some(parent) = parent else { return Ok(()) };
        let parent = self.nodes.get(&parent).ok_or(Refused)?;
        if self.nodes[&child].scope < parent.scope {
            Ok(())
        } else {
            Err(Refused)
        }
    }

    fn apply(&mut self, op: &Op) -> Result<(), Refused> {
        let (Op::Create(node, ..)
        | Op::Set(node, ..)
        | Op::Erase(node, _)
        | Op::Up(node)
        | Op::ToRoot(node)
        | Op::Move(node, _)
        | Op::Remove(node)) = *op;
        if self.nodes.contains_key(&node) == matches!(op, Op::Create(..)) {
            return Err(Refused);
        }
        match op {
            Op::Create(_, scope, parent) => {
                let new = Node {
                    scope: *scope,
                    parent: None,
                    own: BTreeMap::new(),
                    given: BTreeMap::new(),
                };
                self.nodes.insert(node, new);
                if self.fits(node, *parent).is_err() {
                    self.nodes.remove(&node);
                    return Err(Refused);
                }
                self.nodes.get_mut(&node).unwrap().parent = *parent;
            }
            Op::Set(_, field, value) => {
                let contributed = !self.given_to(node, *field).is_empty();
                if contributed && !valid(FIELDS[*field].1, value) {
                    return Err(Refused);
                }
                let turn = self.turn();
                let own = &mut self.nodes.get_mut(&node).unwrap().own;
                own.insert(*field, (turn, value.clone()));
            }
            Op::Erase(_, field) => {
                self.nodes.get_mut(&node).unwrap().own.remove(field);
            }
            Op::Up(_) => self.give(node, false)?,
            Op::ToRoot(_) => self.give(node, true)?,
            Op::Move(_, parent) if self.nodes[&node].parent == *parent => {}
            Op::Move(_, parent) => {
                self.fits(node, *parent)?;
                let it = self.nodes.get_mut(&node).unwrap();
                let given = std::mem::take(&mut it.given);
                let left = std::mem::replace(&mut it.parent, *parent);
                self.settle(left, &given.into_keys().collect::<Vec<_>>());
            }
            Op::Remove(_) => {
                let left = self.nodes[&node].parent;
                let given: Vec<_> = self.nodes[&node].given.keys().copied().collect();
                self.drop_all(node);
                self.settle(left, &given);
            }
        }
        Ok(())
    }

    fn give(&mut self, from: usize, to_root: bool) -> Result<(), Refused> {
        let mut next = self.clone();
        let mut node = from;
        while let Some(parent) = next.nodes[&node].parent {
            for (field, (_, rule)) in FIELDS.iter().enumerate() {
                let is_valid = |it: usize| {
                    let own = next.nodes[&it].own.get(&field);
                    own.is_none_or(|(_, value)| valid(*rule, value))
                };
                if !is_valid(node) {
                    return Err(Refused);
                }
                let value = next.visible(node, field);
                if value.is_some() && !is_valid(parent) {
                    return Err(Refused);
                }
                let turn = next.turn();
                let given = &mut next.nodes.get_mut(&node).unwrap().given;
                match value {
                    Some(value) => drop(given.insert(field, (turn, value))),
                    None => drop(given.remove(&field)),
                }
            }
            node = parent;
            if !to_root {
                break;
            }
        }
        *self = next;
        Ok(())
    }

    /// Brings `fields` of what `node` and those above it give up to date, after somebody who gave them left.
    fn settle(&mut self, node: Option<usize>, fields: &[usize]) {
        let Some(node) = node else { return };
        for field in fields {
            let value = self.visible(node, *field);
            let given = &mut self.nodes.get_mut(&node).unwrap().given;
            match (given.get_mut(field), value) {
                (Some(given), Some(value)) => given.1 = value,
                (Some(_), None) => drop(given.remove(field)),
                (None, _) => {}
            }
        }
        self.settle(self.nodes[&node].parent, fields);
    }

    fn drop_all(&mut self, node: usize) {
        let below: Vec<_> = self.children(node).map(|(it, _)| *it).collect();
        below.into_iter().for_each(|it| self.drop_all(it));
        self.nodes.remove(&node);
    }
}

fn valid(rule: AggregationRule, value: &Value) -> bool {
    match rule {
        AggregationRule::Last => true,
        AggregationRule::Worst => value.as_str().is_some_and(|it| STATUS_ORDER.contains(&it)),
        _ => value.is_number(),
    }
}

fn naive(rule: AggregationRule, mut values: Vec<(u64, Value)>) -> Value {
    let numbers: Vec<f64> = values.iter().filter_map(|(_, it)| it.as_f64()).collect();
    let fold = |f: fn(f64, f64) -> f64| json!(numbers.iter().copied().reduce(f).unwrap());
    match rule {
        AggregationRule::Sum => json!(numbers.iter().sum::<f64>()),
        AggregationRule::Avg => json!(numbers.iter().sum::<f64>() / numbers.len() as f64),
        AggregationRule::Max => fold(f64::max),
        AggregationRule::Min => fold(f64::min),
        AggregationRule::Worst => {
            let found = STATUS_ORDER
                .into_iter()
                .rev()
                .find(|status| values.iter().any(|(_, it)| it == status));
            json!(found.unwrap())
        }
        AggregationRule::Last => {
            values.sort_by_key(|(turn, _)| *turn);
            values.pop().unwrap().1
        }
    }
}

fn name(node: usize) -> AgentId {
    id(&format!("n{node}"))
}

struct Run {
    manager: ContextManager,
    own: BTreeMap<usize, OwnContext>,
}

impl Run {
    async fn apply(&mut self, op: &Op) -> Result<(), Refused> {
        let manager = &self.manager;
        let refused = |_| Refused;
        match op {
            Op::Create(node, scope, parent) => {
                let parent = parent.map(name);
                let own = manager.create_context(*scope, name(*node), parent.as_ref());
                self.own.insert(*node, own.map_err(refused)?);
            }
            Op::Set(node, field, value) => {
                let own = self.own.get(node).ok_or(Refused)?;
                own.set_data(FIELDS[*field].0, value.clone())
                    .map_err(refused)?;
            }
            Op::Erase(node, field) => {
                let own = self.own.get(node).ok_or(Refused)?;
                own.remove_data(FIELDS[*field].0).map_err(refused)?;
            }
            Op::Up(node) => {
                manager.propagate_up(&name(*node)).await.map_err(refused)?;
                assert!(!manager.propagate_up(&name(*node)).await.unwrap());
            }
            Op::ToRoot(node) => {
                manager
                    .propagate_to_root(&name(*node))
                    .await
                    .map_err(refused)?;
                assert!(!manager.propagate_to_root(&name(*node)).await.unwrap());
            }
            Op::Move(node, parent) => {
                let parent = parent.map(name);
                manager
                    .move_context(&name(*node), parent.as_ref())
                    .map_err(refused)?;
            }
            Op::Remove(node) => {
                manager
                    .remove_context(&name(*node))
                    .unwrap()
                    .ok_or(Refused)?;
            }
        }
        Ok(())
    }

    fn check(&self, model: &Model) {
        let all = self.manager.get_all_contexts();
        assert_eq!(all.len(), model.nodes.len());
        for (node, expected) in &model.nodes {
            let context = &all[&name(*node)];
            assert_eq!(context.parent_id().cloned(), expected.parent.map(name));
            assert_eq!(context.children_count(), model.children(*node).count());
            for (field, (key, _)) in FIELDS.iter().enumerate() {
                let (got, expected) = (context.get_data(key), model.visible(*node, field));
                let same = match (got, &expected) {
                    (Some(got), Some(expected)) if expected.is_number() => got
                        .as_f64()
                        .is_some_and(|it| (it - expected.as_f64().unwrap()).abs() < 1e-9),
                    (got, expected) => got == expected.as_ref(),
                };
                assert!(same, "`{key}` of n{node} is {got:?}, not {expected:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn aggregates_are_those_of_the_current_contributions(ops in prop::collection::vec(op(), 0..60)) {
        // covers: C1, C2, C3, C5, C6, C8, C13
        let mut config = ContextPropagationConfig::empty();
        for (field, rule) in FIELDS {
            config.add_propagate_up(field, Some(rule)).unwrap();
        }
        let manager = World::with_config(config).manager;
        let mut run = Run { manager, own: BTreeMap::new() };
        let mut model = Model::default();
        block_on(async {
            for op in start().iter().chain(&ops) {
                let done = run.apply(op).await;
                assert_eq!(done, model.apply(op), "{op:?}");
                run.check(&model);
            }
        });
    }
}
