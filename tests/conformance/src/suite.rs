//! The list of the suite: every behaviour, in the file of its name.

/// Makes a test of each behaviour for an engine, given as the path of a value: `conformance::suite!(crate::InMemory);`.
#[macro_export]
macro_rules! suite {
    ($engine:path) => {
        $crate::tests! { $engine;
            buckets {
                deleting {
                    a_deleted_bucket_is_gone_at_once_and_its_rows_go_in_steps
                    a_bucket_within_another_is_deleted_alone
                    many_buckets_in_one_go_with_it
                }
                logged {
                    rows_stand_in_order_among_executions
                    what_is_rolled_back_or_unlogged_leaves_no_entry
                    one_in_others_is_logged_to_its_end
                    filters_tell_rows_from_executions
                    only_their_watchers_are_woken
                    a_consumer_keeps_a_copy_of_the_rows
                    lists_in_the_order_of_change_pass_over_rows
                    a_tamper_evident_log_covers_rows
                    entries_of_rows_come_back_from_their_json
                }
                rows {
                    rows_come_in_the_order_of_their_keys_from_both_ends
                    a_bucket_that_is_not_there_reads_as_an_empty_one
                    what_was_there_is_told
                    what_breaks_a_limit_is_refused_without_a_trace
                    keys_of_parts_sort_as_their_parts
                    names_are_listed_and_buckets_lie_in_others
                }
                sequences {
                    any_sequence_of_operations_equals_plain_maps
                }
                transactions {
                    they_commit_with_executions_in_every_kind_of_transaction
                    what_is_rolled_back_leaves_nothing
                    a_member_of_a_group_that_fails_takes_its_own_rows_along_alone
                    a_writer_sees_its_own_rows_and_readers_do_not_yet
                }
                waiting {
                    whatever_touches_a_bucket_is_told_once
                    what_others_touch_wakes_nobody
                    one_in_others_goes_with_each_of_them
                    every_kind_of_transaction_is_heard_of
                    a_queue_of_many_threads_is_emptied
                }
            }
            executions {
                alternatives {
                    a_query_for_one_of_no_states_finds_nothing
                    a_bulk_operation_on_one_of_no_states_does_nothing
                    an_expectation_of_one_of_no_states_refuses
                    a_filter_with_an_empty_part_lets_nothing_through
                    a_query_that_names_two_of_what_there_is_one_of_is_refused
                    times_that_are_named_twice_must_both_hold
                    a_cursor_goes_on_with_its_own_query_alone
                }
                clocks {
                    what_is_written_while_the_clock_stands_at_1970_is_not_old_once_it_is_right
                    what_is_written_while_the_clock_is_behind_is_as_young_as_what_was_there_before
                    what_was_written_while_the_clock_was_ahead_holds_nothing_back_for_ever
                    no_time_is_a_panic_and_ids_are_by_the_clock_of_the_store
                }
                combinations {
                    a_condition_that_nothing_can_meet_is_refused_by_all_who_take_one
                    conditions_on_different_things_can_be_asked_together
                    a_query_that_nothing_can_match_is_refused_by_all_who_take_one
                    a_filter_that_lets_nothing_through_is_refused_unless_a_list_is_empty
                }
                conditions {
                    every_operation_keeps_every_condition
                    conditions_given_twice_must_both_hold
                    what_was_found_is_told_with_what_was_expected
                    an_execution_that_was_made_again_is_another
                    an_attachment_that_was_put_again_has_another_version
                    bytes_are_appended_at_their_offset_or_not_at_all
                    of_many_writers_at_one_offset_one_appends
                    a_checkpoint_is_moved_from_where_it_was_read
                }
                create {
                    every_part_is_kept_as_given
                    what_is_left_out_gets_its_default
                    generated_ids_are_distinct_and_in_the_order_of_creation
                    the_first_events_come_with_it
                    payloads_of_every_kind_and_size_come_back_exactly
                    a_refused_creation_leaves_no_trace
                    an_id_that_was_created_in_the_same_transaction_is_taken
                }
                delete {
                    a_deletion_is_a_change_with_the_execution_as_it_was
                    a_condition_that_does_not_hold_leaves_no_trace
                    an_id_can_be_created_again_and_is_a_new_execution
                    create_and_delete_in_one_transaction_leave_two_changes_and_nothing_else
                    a_reader_from_before_still_sees_what_was_deleted
                }
                ends {
                    texts_for_people_are_cut_with_a_mark_that_says_how_much_went
                    what_is_for_programs_is_refused_and_never_cut
                    long_texts_are_refused_if_that_was_asked_for
                    a_lowered_payload_limit_stops_no_end_and_no_delete
                    a_link_to_what_was_deleted_since_stops_no_end
                }
                events {
                    a_history_without_events_is_empty_and_so_is_an_unknown_one
                    appending_counts_on_and_leaves_everything_but_the_modified_time
                    ranges_give_what_they_name_from_both_ends
                    both_ends_of_a_list_meet_in_the_middle
                    every_part_of_an_event_is_kept_and_its_time_as_given
                    a_terminal_execution_still_takes_events
                    refused_events_leave_no_trace
                    the_largest_event_is_accepted_and_comes_back
                    a_long_history_is_read_by_its_end
                }
                identity {
                    an_execution_is_created_once
                    an_identity_belongs_to_its_id
                    private_keys_of_the_json_library_are_ordinary_ones
                    inputs_may_be_deep
                }
                incarnations {
                    an_id_that_is_made_again_has_another_incarnation
                }
                json_limits {
                    one_byte_more_than_the_largest_is_refused
                }
                large_values {
                    what_is_refused_leaves_no_trace
                    what_is_truncated_says_how_much
                    what_is_moved_is_beside_and_follows_the_payload
                    several_large_values_of_one_operation_do_not_meet
                    marks_are_not_moved_again
                    the_largest_payload_is_that_after_the_policy
                }
                lifecycle {
                    the_default_allows_its_table_and_nothing_else
                    an_execution_begins_in_any_pending_or_live_state_and_in_no_terminal_one
                    a_terminal_execution_never_changes_state_but_takes_other_changes
                    an_enum_is_a_lifecycle
                    the_lifecycle_is_read_from_the_file
                    an_earlier_lifecycle_opens_the_file_as_long_as_nobody_is_in_what_was_added
                    additions_are_recorded_and_usable_and_old_states_keep_their_executions
                }
                limits {
                    new_executions_are_checked
                    updates_are_checked
                    labels_that_were_there_count_with_those_that_come
                    events_are_checked_wherever_they_come_in
                    the_largest_payload_is_settable_and_old_ones_stay_readable
                    the_default_payload_limit_is_16_mib
                    lifecycles_of_250_states_with_names_of_64_bytes_work
                }
                moved_values {
                    a_patch_that_meets_a_mark_meets_the_value
                    what_only_looks_like_a_mark_is_an_ordinary_object
                    a_copied_mark_is_a_copied_value
                    marks_outlive_the_policy_that_made_them
                    a_policy_is_applied_to_what_is_written
                    private_keys_of_the_json_library_do_not_hide_marks
                    deep_documents_pass_under_every_policy
                    many_values_far_down_are_moved
                    names_of_the_store_s_own_are_refused
                    a_lowered_limit_does_not_lock_up_a_payload
                }
                namesakes {
                    an_id_of_another_job_or_namespace_is_not_given_in_the_place_of_the_one_asked_for
                }
                odd_text {
                    every_field_keeps_every_text
                    ids_and_jobs_that_resemble_each_other_stay_apart
                    the_change_log_names_odd_ids_exactly
                    states_and_checkpoints_may_have_odd_names
                }
                payloads {
                    payloads_are_replaced_patched_and_cleared
                    payloads_cross_the_size_that_is_kept_in_the_record_in_both_directions
                }
                reports {
                    an_older_attempt_never_undoes_a_newer_one
                    an_older_time_never_undoes_a_newer_one_of_the_same_attempt
                    a_report_that_comes_twice_is_applied_once
                    the_events_of_a_report_that_comes_twice_are_appended_once
                    the_first_end_stands
                    what_is_no_report_is_refused_as_before_and_conditions_hold
                    a_report_of_an_older_attempt_of_a_node_is_ignored
                    the_first_end_of_an_attempt_of_a_node_stands
                    a_report_of_an_older_time_of_a_node_is_ignored
                    the_nodes_of_an_execution_that_ended_can_end_but_not_start
                }
                update {
                    an_update_of_nothing_raises_the_revision_and_the_modified_time_alone
                    every_part_is_set_and_cleared_and_touches_no_other
                    labels_are_set_removed_and_cleared_one_by_one
                    events_come_with_an_update
                    the_times_of_an_execution_never_go_back
                    conditions_hold_or_conflict
                    refused_updates_leave_no_trace
                    only_one_of_several_workers_claims_an_execution
                }
            }
            feed {
                consumers {
                    changes_come_in_order_and_the_checkpoint_says_where_to_go_on
                    it_begins_where_it_is_told_to_and_is_registered_at_once
                    a_second_consumer_of_the_same_name_is_refused_while_the_first_runs
                    a_failed_batch_comes_again_until_it_is_handled
                    what_keeps_failing_is_skipped_alone
                    one_by_one_the_checkpoint_goes_on_one_by_one
                    it_stops_where_it_is_told_to_stop
                    a_panic_of_the_handler_is_a_failure
                    effects_in_the_same_store_happen_exactly_once
                    seeking_goes_on_from_elsewhere_and_is_saved
                    stopping_waits_for_the_handler_and_interrupts_a_back_off
                    an_ephemeral_one_saves_nothing
                    the_position_moves_and_is_saved_past_what_the_filter_drops
                    one_that_was_trimmed_is_blocked_until_it_seeks
                    a_consumer_that_writes_what_it_follows_does_not_wait_for_itself
                    one_that_cannot_start_leaves_nothing_behind
                    any_name_of_a_checkpoint_will_do
                    a_seek_right_before_a_stop_is_saved
                    the_name_is_taken_until_the_handler_has_returned
                }
                waking {
                    a_thousand_followers_of_other_streams_are_left_alone
                    watchers_are_woken_for_what_their_filters_may_let_through
                    one_poll_looks_at_a_bounded_part_of_the_log
                }
                watching {
                    every_start_begins_where_it_says
                    a_wait_ends_with_a_change_with_its_time_and_with_the_store
                    a_limit_cuts_and_nothing_is_lost_between_two_calls
                    every_filter_lets_through_what_it_says_and_the_position_moves_past_the_rest
                    the_iterator_and_the_future_give_what_the_batches_give
                    a_watcher_that_was_trimmed_is_told_and_can_go_on_from_elsewhere
                    before_and_after_are_exact_for_each_change
                    a_rolled_back_write_wakes_nobody
                }
            }
            history {
                bulk {
                    everything_that_is_found_changes_in_bounded_transactions
                    what_refuses_is_counted_and_left
                    a_limit_bounds_the_whole_and_the_oldest_come_first
                    a_named_one_goes_on_after_a_stop_and_after_a_crash
                    the_conditions_of_the_operation_and_of_its_update_must_both_hold
                    names_are_checked
                    others_write_in_between
                    the_order_of_completion_leaves_out_who_has_not_ended
                    a_name_is_listed_and_can_be_forgotten
                    a_name_is_refused_to_another_query_another_change_and_other_events
                    a_cursor_and_a_limit_in_another_order_are_refused
                    one_of_a_name_runs_at_a_time
                    an_oldest_part_that_always_refuses_does_not_keep_the_rest_from_its_turn
                    a_search_that_finds_nothing_is_no_write
                    what_changes_between_the_search_and_the_write_is_looked_at_again
                    what_was_found_and_is_not_so_any_more_is_left
                }
                export {
                    one_record_is_one_line
                    a_line_has_everything_that_belongs_to_an_execution
                    what_is_archived_and_deleted_is_in_the_archive
                    a_writer_exports_what_it_wrote
                    what_a_line_has_reads_back_as_what_it_was
                }
                history {
                    the_plan_is_the_way_with_the_fewest_candidates
                    a_query_that_can_never_match_is_an_error
                    a_cursor_of_another_order_is_refused
                    counters_tell_what_they_can
                    durations_are_nearest_ranks
                    an_export_is_one_line_of_json_for_each_execution
                    a_watcher_can_be_asked_for_what_a_query_asks
                    one_execution_can_be_asked_for_by_its_id
                }
                lineage {
                    a_link_that_leads_back_is_refused_and_leaves_no_trace
                    a_missing_target_is_refused_where_that_is_asked_for
                    a_long_chain_is_walked_back_to_its_root
                    attempts_are_found_from_any_of_them
                    a_writer_sees_the_links_of_its_own_transaction
                    an_id_that_is_made_again_has_none_of_the_old_ones_children
                    a_link_to_nobody_is_taken_up_by_the_first_of_the_id
                }
                listing {
                    jobs_are_listed_in_the_order_of_creation_from_both_ends
                    a_job_id_with_a_zero_byte_is_unknown
                    states_are_listed_alone_and_together_in_the_order_of_creation
                    live_executions_are_those_in_live_states
                    counters_agree_with_the_lists_after_every_kind_of_change
                    an_unknown_state_is_an_error
                    lists_of_an_empty_store_are_empty
                    a_sorted_list_of_several_pieces_is_whole_in_whatever_order_its_candidates_come
                }
                namespaces {
                    they_are_listed_with_their_numbers_of_executions
                }
                pages {
                    pages_of_every_size_give_everything_once_in_both_orders
                    a_page_that_ends_with_the_last_execution_has_no_next
                    nothing_that_is_there_throughout_is_missed_or_given_twice
                    a_cursor_outlives_the_execution_that_it_was_made_at
                    an_id_that_is_created_again_has_a_new_place
                    cursors_of_another_store_or_the_other_order_are_refused
                    limits_of_a_page_are_checked
                    a_writer_pages_over_its_own_writes
                }
            }
            log {
                change_log {
                    every_kind_of_change_says_what_was_and_what_is
                    the_log_is_the_same_after_a_crash_and_after_a_close
                    changes_have_the_time_of_the_stores_clock
                    the_sequence_has_no_gaps_from_refused_or_abandoned_writes
                    ranges_give_what_they_name_from_both_ends
                    a_writer_reads_the_changes_that_it_made
                }
                checkpoints {
                    a_checkpoint_is_set_moved_and_forgotten
                    names_are_kept_apart_and_survive
                    a_position_beyond_the_head_is_refused
                    bad_names_are_refused_and_unknown_ones_are_none
                    a_checkpoint_moves_with_the_transaction_that_sets_it
                }
                positions {
                    a_position_beyond_the_head_is_an_error_wherever_one_is_given
                    a_seek_to_what_is_not_there_says_so_and_changes_nothing
                    a_bookmark_goes_through_text_and_goes_on_where_it_was_made
                    a_bookmark_of_another_store_is_refused
                }
                trimming {
                    the_oldest_go_the_head_stays_and_the_numbers_go_on
                    a_trim_that_is_rolled_back_has_not_happened
                    checkpoints_hold_it_back
                    payloads_that_only_trimmed_entries_needed_are_freed
                    retention_keeps_by_count_and_by_age
                    a_clock_that_went_back_keeps_what_follows
                    retention_waits_for_consumers_as_long_as_they_do_not_lag_too_much
                    one_call_trims_it_all_in_bounded_transactions_while_others_write
                    a_thread_of_the_store_does_it_when_it_is_switched_on
                }
            }
            side_data {
                attachments {
                    values_of_every_size_come_back
                    a_value_is_read_from_any_place
                    a_value_is_replaced_together_with_an_update_or_not_at_all
                    attachments_leave_the_record_and_the_log_alone_and_go_with_their_execution
                    sizes_are_summed_up_over_a_query
                    what_breaks_a_limit_is_refused_without_a_trace
                    a_source_that_fails_leaves_nothing_behind
                    a_source_is_read_once_in_the_group_commit
                    a_large_value_goes_through_without_the_journal
                    a_slow_source_keeps_no_writer_waiting
                }
                outputs {
                    a_wider_cap_drops_nothing
                    streams_leave_the_record_and_the_log_alone_and_go_with_their_execution
                    limits_are_checked_before_anything_is_written
                    a_follower_sees_every_byte_once_while_writers_append
                    a_follower_is_told_what_a_cap_dropped
                    a_follower_ends_with_its_stream_and_waits_for_one_that_is_to_come
                }
                tasks {
                    nodes_are_listed_in_the_order_in_which_they_came
                    a_new_attempt_begins_anew_from_every_state_and_the_sums_follow
                    a_value_is_kept_until_the_node_is_started_again
                    nodes_go_with_their_execution
                    limits_are_checked_before_anything_is_written
                }
                visits {
                    visits_are_written_together
                    a_thousand_are_written_unasked
                    what_was_not_visited_since_is_found
                    what_could_not_be_written_is_noted_still
                    what_the_commit_refused_is_noted_still
                    a_visit_counts_for_the_execution_that_was_visited
                }
            }
            transactions {
                current_thread {
                    a_handler_awaits_what_it_submits_while_the_runtime_does_other_things
                    a_write_that_would_wait_for_itself_is_refused_inside_block_on_too
                    a_runtime_that_refuses_to_block_in_a_closure_spoils_nothing
                }
                group_commit {
                    who_fails_fails_alone_in_every_company
                    a_caller_alone_has_the_same_contract
                    many_threads_share_commits_and_all_get_their_own_result
                    the_calls_without_a_closure_do_what_the_writer_does
                    whoever_waits_for_room_in_the_queue_goes_on_once_there_is_some
                    a_full_queue_makes_callers_wait_or_tells_them
                    a_batch_within_a_batch_is_refused_and_the_outer_one_goes_on
                    a_delay_gathers_those_who_come_one_by_one
                    the_order_is_the_order_of_submission
                    a_result_can_be_awaited_under_tokio
                }
                handles {
                    readers_see_whole_transactions_only
                    writers_in_several_threads_take_turns
                    one_reader_is_shared_by_several_threads
                }
                leaving {
                    a_watcher_of_a_label_hears_that_an_execution_left
                    a_watcher_of_a_query_hears_that_an_execution_left
                }
                panics {
                    a_panic_between_the_transactions_of_a_bulk_operation_keeps_its_place
                    what_a_closure_holds_is_a_part_of_it_and_spoils_no_other
                }
                queue_size {
                    what_waits_holds_no_more_than_the_queue_may
                }
                reentrance {
                    every_write_and_every_wait_within_a_write_is_refused
                    what_was_submitted_cannot_be_waited_for_within_a_write_and_is_committed_after_it
                    futures_polled_within_a_closure_are_refused_and_beside_a_write_transaction_they_wait
                    stores_that_wait_for_each_other_in_a_circle_are_refused_once
                    who_waits_longer_than_the_limit_for_one_transaction_is_told_what_it_is
                    a_thread_that_holds_one_store_may_use_another
                }
                status {
                    readers_writers_queues_and_bulk_operations_are_in_the_report
                    what_holds_the_log_back_and_why_it_stands_still
                    entries_ahead_of_the_clock_keep_nothing_and_are_in_the_report
                    a_checkpoint_behind_the_trim_is_refused_and_there_is_a_way_out
                    a_maintenance_that_would_never_rest_is_refused
                }
                transactions {
                    a_write_is_seen_by_itself_and_by_nobody_else_until_it_is_committed
                    a_transaction_without_writes_changes_nothing
                }
            }
        }
    };
}

/// The tests of a list.
#[doc(hidden)]
#[macro_export]
macro_rules! tests {
    ($engine:path; $($folder:ident { $($file:ident { $($behaviour:ident)* })* })*) => {
        $(mod $folder {
            $(mod $file {
                $(#[test]
                fn $behaviour() {
                    $crate::$folder::$file::$behaviour(&$engine);
                })*
            })*
        })*
    };
}
