//! Which of the services that are sick, and of no incident yet, have one cause: looked at anew each time, so that neither
//! the order in which things become sure matters nor what was thought before all was known.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::kin::{Kin, Look, TOGETHER, Trouble, apart};
use crate::ServiceId;

/// Services looked at by the call graph at once; further ones are put together by neighbourhood.
pub(super) const JUDGED_MAX: usize = 64;
/// So many roots of one environment within [`STORM`] are several causes; one more, and there is one that the graph does
/// not show.
pub(super) const ROOTS_MAX: usize = 4;
pub(super) const STORM: Duration = Duration::from_secs(60);

/// Who calls a service in the end.
pub(super) type Reach = Arc<BTreeSet<ServiceId>>;

/// Services with one cause, as places in what was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Group {
    /// Where it sits, as far as the call graph tells; empty where it cannot tell.
    pub(super) roots: BTreeSet<usize>,
    /// Who shows it, the roots among them. Who suffers from several causes is in several groups.
    pub(super) members: BTreeSet<usize>,
}

/// Groups what is sick, in order of onset and service. `reaches` are those of who calls each in the end.
pub(super) fn groups<L: Look>(kin: &Kin<'_, L>, troubles: &[Trouble], reaches: &[Reach]) -> Vec<Group> {
    let firm = troubles.iter().enumerate().filter(|(_, trouble)| kin.is_firm(trouble)).map(|(index, _)| index);
    let firm: Vec<usize> = firm.take(JUDGED_MAX).collect();
    let rooted = rooted(kin, troubles, reaches, &firm);
    let mut groups = of_a_storm(joined(kin, troubles, rooted), troubles);
    let judged: BTreeSet<usize> = firm.into_iter().collect();
    for loose in neighbourhoods(kin, troubles, &judged) {
        let touches = |group: &Group| touches(kin, troubles, &loose, group);
        let mut is_taken = false;
        for group in groups.iter_mut().filter(|group| !group.roots.is_empty()) {
            if touches(group) {
                group.members.extend(&loose.members);
                is_taken = true;
            }
        }
        if !is_taken {
            groups.push(loose);
        }
    }
    groups.sort_by_key(|group| group.members.first().copied());
    groups
}

/// A group for each root: what no other explains, with all that follows from it.
fn rooted<L: Look>(kin: &Kin<'_, L>, troubles: &[Trouble], reaches: &[Reach], firm: &[usize]) -> Vec<Group> {
    let effects: BTreeMap<usize, BTreeSet<usize>> = firm
        .iter()
        .map(|&root| {
            let is_effect = |other: &usize| {
                *other != root
                    && reaches[root].contains(&troubles[*other].service)
                    && kin.explains(&troubles[root], &troubles[*other])
            };
            (root, firm.iter().copied().filter(is_effect).collect())
        })
        .collect();
    let follows = |other: usize, root: usize| effects.get(&root).is_some_and(|effects| effects.contains(&other));
    // Of those that call each other in a circle, the first is the root.
    let is_root =
        |index: usize| !firm.iter().any(|&root| follows(index, root) && (!follows(root, index) || root < index));
    let mut covered: BTreeSet<usize> = BTreeSet::new();
    let mut groups = Vec::new();
    let (roots, others): (Vec<usize>, Vec<usize>) = firm.iter().copied().partition(|&index| is_root(index));
    // What follows from something that follows from another, and from no root, is by itself.
    for root in roots.into_iter().chain(others) {
        if !covered.contains(&root) {
            let mut members = effects.get(&root).cloned().unwrap_or_default();
            members.insert(root);
            covered.extend(&members);
            groups.push(Group { roots: BTreeSet::from([root]), members });
        }
    }
    groups
}

/// Groups whose roots have one cause, as one.
fn joined<L: Look>(kin: &Kin<'_, L>, troubles: &[Trouble], groups: Vec<Group>) -> Vec<Group> {
    let is_overloaded_by = |root: usize, group: &Group| {
        let onset_of = |service: &ServiceId| {
            let member = group.members.iter().find(|member| troubles[**member].service == *service);
            member.map(|member| troubles[*member].onset)
        };
        kin.is_overloaded_by(&troubles[root], onset_of)
    };
    let is_one = |a: &Group, b: &Group| {
        a.roots.iter().any(|&x| b.roots.iter().any(|&y| kin.is_one(&troubles[x], &troubles[y])))
            || b.roots.iter().any(|&root| is_overloaded_by(root, a))
            || a.roots.iter().any(|&root| is_overloaded_by(root, b))
    };
    // By the groups as they were: what is joined to one must not depend on what was joined before.
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let (mut one, others): (Vec<_>, Vec<_>) =
            parts.into_iter().partition(|part| part.iter().any(|&other| is_one(&groups[other], group)));
        one.push(vec![index]);
        parts = others;
        parts.push(one.concat());
    }
    let whole = |part: &Vec<usize>| part.iter().map(|&index| &groups[index]).fold(Group::default(), merge);
    let mut merged: Vec<Group> = parts.iter().map(whole).collect();
    merged.sort_by_key(|group| group.roots.first().copied());
    merged
}

fn merge(mut whole: Group, part: &Group) -> Group {
    whole.roots.extend(&part.roots);
    whole.members.extend(&part.members);
    whole
}

/// Many roots of one environment at one time are one cause that the graph does not show.
fn of_a_storm(groups: Vec<Group>, troubles: &[Trouble]) -> Vec<Group> {
    let first = |group: &Group| group.roots.first().map(|&root| &troubles[root]);
    let mut kept: Vec<Group> = Vec::new();
    for group in groups {
        let is_near = |other: &Group| {
            let (Some(a), Some(b)) = (first(&group), first(other)) else { return false };
            a.service.same_environment(&b.service) && apart(a.onset, b.onset) <= STORM
        };
        let near: Vec<usize> = (0..kept.len()).filter(|&index| is_near(&kept[index])).collect();
        match near.first() {
            Some(&oldest) if near.len() >= ROOTS_MAX => {
                kept[oldest].roots.extend(&group.roots);
                kept[oldest].members.extend(&group.members);
            }
            _ => kept.push(group),
        }
    }
    kept
}

/// What the call graph cannot tell apart is together where it is next to each other, at about one time.
fn neighbourhoods<L: Look>(kin: &Kin<'_, L>, troubles: &[Trouble], judged: &BTreeSet<usize>) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: BTreeMap<&ServiceId, usize> = BTreeMap::new();
    let mut group_at: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (index, trouble) in troubles.iter().enumerate().filter(|(index, _)| !judged.contains(index)) {
        let (neighbours, place) = kin.neighbours(&trouble.service);
        let mut found: BTreeSet<usize> = neighbours.iter().filter_map(|other| group_of.get(other)).copied().collect();
        found.extend(place.iter().filter_map(|place| group_at.get(place)).flatten());
        // They come in order of onset: the first of a group is its earliest.
        found.retain(|group| {
            let first = groups[*group].members.first();
            first.is_some_and(|first| apart(troubles[*first].onset, trouble.onset) <= TOGETHER)
        });
        let into = found.pop_first().unwrap_or_else(|| {
            groups.push(Group::default());
            groups.len() - 1
        });
        groups[into].members.insert(index);
        group_of.insert(&trouble.service, into);
        for other in found {
            let moved = std::mem::take(&mut groups[other]);
            group_of.extend(moved.members.iter().map(|member| (&troubles[*member].service, into)));
            groups[into].members.extend(&moved.members);
        }
        if let Some(place) = place {
            let here = group_at.entry(place).or_default();
            if !here.contains(&into) {
                here.push(into);
            }
        }
    }
    groups.retain(|group| !group.members.is_empty());
    groups
}

fn touches<L: Look>(kin: &Kin<'_, L>, troubles: &[Trouble], loose: &Group, group: &Group) -> bool {
    let Some(first) = group.members.first().map(|&first| troubles[first].onset) else { return false };
    // What was changed when its trouble began may be sure only because others feel it, and is another cause all the same.
    let is_near = |member: &&usize| {
        let trouble = &troubles[**member];
        apart(trouble.onset, first) <= TOGETHER && !kin.was_changed(trouble)
    };
    loose.members.iter().filter(is_near).any(|&member| {
        let is_neighbour = |&other: &usize| kin.are_neighbours(&troubles[member].service, &troubles[other].service);
        group.members.iter().any(is_neighbour)
    })
}
