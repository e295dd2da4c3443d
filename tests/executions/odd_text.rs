//! The list of odd texts.

use std::collections::BTreeSet;

use support::odd_text::{ODD_IDS, ODD_TEXTS, odd_texts};

#[test]
fn the_list_itself_has_no_text_twice() {
    assert_eq!(odd_texts().collect::<BTreeSet<_>>().len(), ODD_IDS.len() + ODD_TEXTS.len());
}
