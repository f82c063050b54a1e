//! The options of one form for what they have to do: those that derive routes and rules from the
//! stanza first, then a line for each route and rule that they leave out. Whether the whole does
//! what it has to is not asked here.

use super::forms::Form;
use super::goal::Goal;
use super::option_value::{route_value, rule_value, written_table, NewOption};
use super::reckon::reckon;
use crate::ifupdown::HookCall;
use crate::migrate::lines::SpelledRule;
use crate::routing::syntax::TableNames;
use crate::routing::{Family, InterfaceName, Prefix, Rule, State, TableId};
use crate::stanza::PRIORITY;

/// The options of a form; `None` where it cannot be had.
pub fn fill_in(
    form: Form,
    call: &HookCall,
    goal: &Goal,
    names: TableNames<'_>,
) -> Option<Vec<NewOption>> {
    let mut options = deriving(form, call, goal, names)?;
    let derived = derived(form, call, &options, names)?;
    let family = call.family.unwrap_or(Family::Inet);
    let device = call.interface.parse::<InterfaceName>().ok()?.device();
    let mut rules: Vec<&(usize, SpelledRule)> = goal.rules.iter().collect();
    if form.as_written {
        rules.sort_by_key(|(line, _)| *line);
    }
    let rules = rules.into_iter().map(|(_, spelled)| spelled);
    let rules = rules.filter(|spelled| !is_derived(spelled, form, &derived));
    options.extend(rules.map(|spelled| {
        let value = rule_value(spelled, family, form.table, form.numbered);
        NewOption::new("policy-rule", value)
    }));
    let routes = goal.routes.iter();
    let routes = routes.filter(|spelled| !derived.routes().contains(&spelled.route));
    options.extend(routes.map(|spelled| {
        let value = route_value(spelled, family, form.table, &device);
        NewOption::new("policy-route", value)
    }));
    Some(options)
}

/// The options that derive routes and rules: `policy-table` and what says how.
fn deriving(
    form: Form,
    call: &HookCall,
    goal: &Goal,
    names: TableNames<'_>,
) -> Option<Vec<NewOption>> {
    let Some(table) = form.table else {
        return Some(Vec::new());
    };
    let rules = goal.rules.iter().map(|(_, rule)| rule.words.as_slice());
    let routes = goal.routes.iter().map(|route| route.words.as_slice());
    let written = written_table(table, rules.chain(routes), names);
    let mut options = vec![NewOption::new("policy-table", written)];
    options.extend(gateway(form, call, goal, table));
    if form.mode != "strict" {
        options.push(NewOption::new("policy-mode", form.mode));
    }
    if form.source != Some("address") {
        options.push(NewOption::new(
            "policy-source",
            form.source.unwrap_or("none"),
        ));
    }
    if form.source.is_some() {
        options.extend(priority(form, goal, table)?);
    }
    Some(options)
}

/// What the options that derive something put in by themselves.
fn derived(
    form: Form,
    call: &HookCall,
    options: &[NewOption],
    names: TableNames<'_>,
) -> Option<State> {
    if form.table.is_none() {
        return Some(State::default());
    }
    let mut options = options.to_vec();
    if form.default_line {
        options.push(NewOption::new("policy-gateway", "none"));
    }
    reckon(call, &options, names)
}

fn is_derived(spelled: &SpelledRule, form: Form, derived: &State) -> bool {
    let is_fixed = spelled.given.priority || form.numbered;
    derived.rules().iter().any(|rule| {
        rule.same_but_priority(&spelled.rule)
            && (!is_fixed || rule.priority == spelled.rule.priority)
    })
}

/// `policy-gateway`, unless the stanza's `gateway` says the same or a line says it.
fn gateway(form: Form, call: &HookCall, goal: &Goal, table: TableId) -> Option<NewOption> {
    if form.default_line {
        return None;
    }
    let everywhere = Prefix::any(call.family.unwrap_or(Family::Inet));
    let mut routes = goal.routes.iter().map(|spelled| &spelled.route);
    let default = routes.find(|route| route.destination == everywhere && route.table == table);
    let Some(default) = default else {
        return Some(NewOption::new("policy-gateway", "none"));
    };
    let gateway = default.hops.first()?.gateway?;
    let of_stanza = call.gateway.as_ref().and_then(|said| said.parse().ok());
    (of_stanza != Some(gateway)).then(|| NewOption::new("policy-gateway", gateway.to_string()))
}

/// `policy-priority`, where the rule that would be derived has a priority of its own. `None`
/// where nothing is to be derived.
fn priority(form: Form, goal: &Goal, table: TableId) -> Option<Option<NewOption>> {
    let own = goal.own?;
    let source = match form.source {
        Some("subnet") => own.network(),
        _ => Prefix::host(own.address),
    };
    let derived = Rule {
        from: Some(source),
        ..Rule::lookup(own.family(), 0, table)
    };
    let mut rules = goal.rules.iter().map(|(_, spelled)| spelled);
    let from = rules.find(|spelled| spelled.rule.same_but_priority(&derived))?;
    let is_fixed = from.given.priority || form.numbered;
    let option = NewOption::new("policy-priority", from.rule.priority.to_string());
    Some((is_fixed && from.rule.priority != PRIORITY).then_some(option))
}
