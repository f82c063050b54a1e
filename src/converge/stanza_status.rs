//! How one stanza stands: what it wants, each object held against the kernel, and what is to be said
//! of it. `survey.rs` fills it in.

use super::drift::{steps, Condition, Item};
use super::marking::Marking;
use super::order::Places;
use super::outcome::{Failure, Waiting};
use super::reorder::misplaced_here;
use super::table_ids::StanzaTables;
use crate::ifupdown::HookCall;
use crate::record::{Heading, Part, Store};
use crate::routing::{Copies, InterfaceName, Object, Rule, State, Step};
use crate::stanza::{Notice, Remark, Stanza};
use crate::text::utc;

/// What there is to do about a stanza.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftToDo {
    /// All is as the stanza wants it, the record included; or nothing can be done.
    Nothing,
    Something,
    /// What it needs may be on its way, and is worth waiting for.
    Waiting,
}

/// What is said of a part of the record without a call.
const OF_0_1_0: &str =
    "an earlier version recorded it, without what the stanza asked for: until the \
                        next ifup or apply, its routes and rules are kept one by one as they are";

/// Since when something is so, as far as a run has noted it.
fn since(seconds: Option<u64>) -> String {
    seconds.map_or_else(
        || "since when is not known".to_owned(),
        |seconds| format!("since {}", utc(seconds)),
    )
}

/// One stanza of an interface, and how what it wants stands.
#[derive(Debug)]
pub struct StanzaStatus {
    /// What heads it in the record.
    pub heading: Heading,
    /// The hook's call for it; none where only the record knows of it.
    pub call: Option<HookCall>,
    /// Whether the record has it.
    pub recorded: bool,
    /// What the record has of it.
    pub noted: Option<Part>,
    /// What `apply` has to do about it, where that was asked for.
    pub left_to_do: LeftToDo,
    /// Whether it waits, and what it has stays as it is meanwhile.
    pub keeps: bool,
    /// Whether it is left alone, since nothing says what to do with it.
    pub stays: bool,
    pub tables: StanzaTables,
    /// Its routes and rules.
    pub items: Vec<Item>,
    /// What gives its rules their order, once what is missing is there.
    pub reorder: Vec<Step>,
    /// What the administrator should know of how they came about.
    pub notices: Vec<Notice>,
    /// What this host makes of it, where that was asked for.
    pub remarks: Vec<Remark>,
    /// What it says, and asks for.
    pub policy: Option<(Stanza, State)>,
    /// Which rules the copies are of and stand in front of, where it is no stanza but copies.
    pub copies: Option<Copies>,
    /// How the marks of its device's connections stand, where this is the stanza that tells.
    pub marking: Option<Marking>,
    /// Why it cannot be said what it wants.
    pub failure: Option<Failure>,
}

impl StanzaStatus {
    pub fn new(heading: Heading) -> Self {
        Self {
            heading,
            call: None,
            recorded: false,
            noted: None,
            left_to_do: LeftToDo::Something,
            stays: false,
            keeps: false,
            tables: StanzaTables::default(),
            items: Vec::new(),
            reorder: Vec::new(),
            notices: Vec::new(),
            remarks: Vec::new(),
            policy: None,
            copies: None,
            marking: None,
            failure: None,
        }
    }

    /// The stanza and its table, as people name them.
    pub fn title(&self) -> String {
        if self.heading.is_of_copies() {
            return format!("{} in front of VPN software", self.heading);
        }
        let table = match self.tables.own() {
            Some((id, Some(name))) => format!(", table {name} ({id})"),
            Some((id, None)) => format!(", table {id}"),
            None => String::new(),
        };
        let gone = if self.call.is_none() {
            ", in the file no more"
        } else {
            ""
        };
        format!("{}{gone}{table}", self.heading)
    }

    /// Whether these are copies, and not as they should be.
    pub fn copies_differ(&self) -> bool {
        self.copies.is_some() && !self.is_in_step()
    }

    /// Whether all is as the stanza wants it.
    pub fn is_in_step(&self) -> bool {
        let well =
            |item: &Item| matches!(item.condition, Condition::InPlace | Condition::Served(_));
        let is_marked = self.marking.as_ref().is_none_or(Marking::is_in_place);
        self.failure.is_none() && is_marked && self.items.iter().all(well)
    }

    /// Notes how the marks stand: where they are not in place, there is something to do.
    fn note_marking(&mut self, marking: Marking) {
        if !marking.is_in_place() && self.left_to_do == LeftToDo::Nothing {
            self.left_to_do = LeftToDo::Something;
        }
        self.marking = Some(marking);
    }

    /// What nft(8) is to be told of its device.
    pub fn nft_commands(&self) -> Option<&str> {
        let marking = self.marking.as_ref().filter(|_| !self.stays && !self.keeps);
        marking.and_then(Marking::commands)
    }

    /// Its rules, once what is missing is there.
    pub fn rules_to_be(&self) -> Vec<Rule> {
        let is_to_be = |item: &&Item| {
            let condition = &item.condition;
            matches!(
                condition,
                Condition::InPlace | Condition::Missing(_) | Condition::Misplaced(_)
            )
        };
        let items = self.items.iter().filter(is_to_be);
        let rules = items.filter_map(|item| match &item.object {
            Object::Rule(rule) => Some(rule.clone()),
            Object::Route(_) => None,
        });
        rules.collect()
    }

    /// What it has in force.
    pub fn in_place(&self) -> State {
        let items = self.items.iter();
        let in_place = items.filter(|item| item.condition == Condition::InPlace);
        in_place.map(|item| item.object.clone()).collect()
    }

    /// What it has in force once it is mended.
    pub fn in_force_then(&self) -> State {
        let items = self.items.iter();
        let then = items.filter_map(|item| match &item.condition {
            Condition::InPlace | Condition::Misplaced(_) => Some(item.object.clone()),
            Condition::Missing(step) => Some(step.object.clone()),
            Condition::Served(_) | Condition::Blocked(_) | Condition::Stale => None,
        });
        then.collect()
    }

    /// Notes of rules of one priority which are not in their order, and puts them there in what
    /// stands.
    pub fn note_order(&mut self, device: &InterfaceName, rules: &[Rule], standing: &mut Places) {
        let elsewhere = |rules: &State| Store::claimed_elsewhere(device, rules);
        let found = misplaced_here(rules, standing, elsewhere);
        for it in &found {
            let object = Object::Rule(it.rule.clone());
            let mut items = self.items.iter_mut();
            let own =
                items.find(|item| item.condition == Condition::InPlace && item.object == object);
            if let (Some(own), Some(behind)) = (own, &it.behind) {
                own.condition = Condition::Misplaced(Object::Rule(behind.clone()));
            }
        }
        let moved: Vec<Rule> = found.into_iter().map(|it| it.rule).collect();
        // `ip rule add` takes no rule that is there, so there is a moment without it.
        let former = standing.standing(&moved).into_iter().map(Object::Rule);
        self.reorder.extend(former.map(Step::delete));
        for rule in moved {
            standing.remove(&rule);
            standing.push(rule.clone());
            self.reorder.push(Step::add(Object::Rule(rule)));
        }
    }

    /// What is wrong with it, a line for each cause.
    pub fn errors(&self) -> Vec<String> {
        let failure = self.failure.iter().filter(|it| it.waiting().is_none());
        let mut errors: Vec<String> = failure.flat_map(Failure::lines).collect();
        if let Some(Marking::Trouble(error)) = &self.marking {
            errors.push(error.clone());
        }
        errors
    }

    /// What it waits for, where nothing is wrong with it.
    pub fn waiting(&self) -> Option<&Waiting> {
        self.failure.as_ref().and_then(Failure::waiting)
    }

    /// Since when it waits for that, in seconds of the clock, where a run has noted it.
    pub fn waiting_since(&self) -> Option<u64> {
        let lack = self.waiting()?.lack();
        let noted = self.noted.as_ref()?.waiting;
        noted.filter(|noted| noted.what == lack).map(|it| it.since)
    }

    /// Since when main has no default route by its interface, where a run has noted it.
    pub fn no_default_since(&self) -> Option<u64> {
        let keeps = self.notices.iter().any(Notice::is_of_kept_router);
        self.noted.as_ref().filter(|_| keeps)?.no_default_since
    }

    /// What there is to say of it besides its routes and rules.
    pub fn told(&self) -> Vec<String> {
        let of_notice = |notice: &Notice| {
            if notice.is_of_kept_router() {
                format!("{notice}; {}", since(self.no_default_since()))
            } else {
                notice.to_string()
            }
        };
        let mut told: Vec<String> = self.notices.iter().map(of_notice).collect();
        if self.noted.as_ref().is_some_and(Part::is_of_0_1_0) {
            told.push(OF_0_1_0.to_owned());
        }
        told
    }

    /// What it waits for, and since when.
    pub fn told_waiting(&self) -> Option<String> {
        let waiting = self.waiting()?;
        Some(format!("{waiting}; {}", since(self.waiting_since())))
    }

    /// What mends it.
    pub fn steps(&self) -> Vec<Step> {
        if self.stays || self.keeps {
            return Vec::new();
        }
        let mut steps = steps(&self.items);
        steps.extend(self.reorder.iter().cloned());
        steps
    }

    /// Whether something mends it, in the kernel or by nft(8).
    pub fn is_to_be_changed(&self) -> bool {
        !self.steps().is_empty() || self.nft_commands().is_some()
    }

    /// Whether it neither says nor has anything about policy routing.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.failure.is_none() && self.marking.is_none()
    }
}

/// Notes how the marks of a device stand with the stanza that asks for them.
pub fn note_marking(found: &mut [StanzaStatus], marking: Option<Marking>) {
    let asks = |status: &StanzaStatus| {
        let policy = status.policy.as_ref();
        policy.is_some_and(|(stanza, _)| stanza.asks_for_marks())
    };
    let place = found.iter().position(asks).unwrap_or(0);
    if let Some((status, marking)) = found.get_mut(place).zip(marking) {
        status.note_marking(marking);
    }
}
