-- Hot statements on SQLite. Each touches one item; the whole group shares one transaction and one fsync.

-- seat: account settings, and the rows of the chat and of the sender when they exist; one to one, of the chat that bears
-- another id of theirs
SELECT a.channel, a.state, a.agent_id, coalesce(a.quiet_window_ms, g.quiet_window_ms, a.default_quiet_ms),
       g.turn_deadline_seconds, p.live_version_id, c.id, i.contact_id, g.manners, coalesce(i.chat_id, '')
FROM channel_accounts a
JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
LEFT JOIN prompts p ON p.tenant_id = g.tenant_id AND p.id = g.prompt_id
LEFT JOIN identities i ON i.tenant_id = a.tenant_id AND i.account_id = a.id AND i.sender_id = ?4
LEFT JOIN conversations c ON c.tenant_id = a.tenant_id AND c.account_id = a.id
                         AND c.chat_id = CASE WHEN i.chat_id <> '' AND ?3 = ?4 THEN i.chat_id ELSE ?3 END
WHERE a.tenant_id = ?1 AND a.id = ?2;

-- add_contact: a person, seen for the first time
INSERT INTO contacts (tenant_id, id, name, created_at) VALUES (?, ?, ?, ?);

-- add_identity: how an account knows them
INSERT INTO identities (tenant_id, account_id, sender_id, channel, phone, contact_id, chat_id, created_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?);

-- ids: whose the two ids of one person are, and where their chat is
SELECT i.sender_id, i.contact_id, i.chat_id FROM identities i
WHERE i.tenant_id = ? AND i.account_id = ? AND i.sender_id IN (?, ?);

-- begun: the chats that bear one of these ids
SELECT c.chat_id, c.owner, c.updated_at FROM conversations c
WHERE c.tenant_id = ? AND c.account_id = ? AND c.chat_id IN (?, ?);

-- move_ids: what is known of a contact is another's
UPDATE identities SET contact_id = ?3 WHERE tenant_id = ?1 AND contact_id = ?2;

-- move_chats: and so are the chats
UPDATE conversations SET contact_id = ?3 WHERE tenant_id = ?1 AND contact_id = ?2;

-- leave_contact: which is nobody any more
DELETE FROM contacts WHERE tenant_id = ? AND id = ?;

-- lead_ids: where both ids, and those that led to one of them, lead now
UPDATE identities SET chat_id = CASE WHEN sender_id = ?6 THEN '' ELSE ?6 END
WHERE tenant_id = ?1 AND account_id = ?2 AND contact_id = ?5 AND (sender_id IN (?3, ?4) OR chat_id IN (?3, ?4));

-- add_conversation: a chat, pinned to the prompt version that is live now
INSERT INTO conversations
  (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, prompt_version_id, created_at, updated_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- lane: the moving part of a conversation
SELECT {Lane c} FROM conversations c WHERE c.tenant_id = ? AND c.id = ?;

-- known: a message that was accepted before
SELECT id, conversation_id, seq, turn_id, text, created_at FROM messages
WHERE tenant_id = ? AND account_id = ? AND chat_id = ? AND provider_message_id = ?;

-- erased: whether a provider message was erased
SELECT 1 FROM tombstones WHERE tenant_id = ? AND digest = ?;

-- ready_turns: conversations whose turn may be leased, longest due first
SELECT {Lane c} FROM conversations c
WHERE c.turn_due_at IS NOT NULL AND c.turn_due_at <= ? ORDER BY c.turn_due_at LIMIT ?;

-- lane_of_turn: the conversation of a turn
SELECT {Lane c} FROM turns t JOIN conversations c ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id
WHERE t.tenant_id = ? AND t.id = ?;

-- turn: one turn
SELECT {Turn t} FROM turns t WHERE t.tenant_id = ? AND t.id = ?;

-- setting: who answers a conversation, and with what
SELECT coalesce(v.text, ''), coalesce(c.prompt_version_id, ''),
       coalesce(nullif(c.model, ''), nullif(p.model, ''), nullif(a.model, ''), g.model),
       g.fallback_text, c.summary, c.summary_seq, g.reserve_tokens, c.model_conversation,
       c.language, coalesce(d.tokens, 0), g.manners, a.formatting, a.options,
       coalesce(nullif(a.model, ''), g.model)
FROM conversations c
JOIN agents g ON g.tenant_id = c.tenant_id AND g.id = c.agent_id
JOIN channel_accounts a ON a.tenant_id = c.tenant_id AND a.id = c.account_id
LEFT JOIN contacts p ON p.tenant_id = c.tenant_id AND p.id = c.contact_id
LEFT JOIN prompt_versions v ON v.tenant_id = c.tenant_id AND v.id = c.prompt_version_id
LEFT JOIN token_days d ON d.tenant_id = c.tenant_id AND d.day = ?3
WHERE c.tenant_id = ?1 AND c.id = ?2;

-- own: the messages that a turn is to answer, one more than it may take
SELECT m.seq, m.role, m.text, m.attachments, m.created_at, m.id, m.turn_id, m.provider_message_id, m.correlation_id,
       m.traceparent, m.provider_at
FROM messages m
WHERE m.tenant_id = ? AND m.conversation_id = ? AND m.seq >= ? AND m.turn_id = ? ORDER BY m.seq LIMIT ?;

-- history: the last messages before a place, and the last reply when it came later
SELECT m.seq, m.role, m.text, m.attachments, m.created_at
FROM messages m
WHERE m.tenant_id = ?1 AND m.conversation_id = ?2 AND m.seq > ?6 AND m.seq < ?3 AND m.turn_id IS NOT ?4
  AND m.taken_back_at IS NULL AND (m.text <> '' OR m.attachments IS NOT NULL)
ORDER BY m.seq DESC LIMIT ?5;

-- reply: one message by its place
SELECT m.seq, m.role, m.text, m.attachments, m.created_at
FROM messages m WHERE m.tenant_id = ? AND m.conversation_id = ? AND m.seq = ?
  AND (m.text <> '' OR m.attachments IS NOT NULL);

-- answered: for a delivery that is about to be written, its account and the message that it answers
SELECT a.state, coalesce(r.provider_message_id, ''), r.message_metadata
FROM channel_accounts a
LEFT JOIN messages r ON r.tenant_id = ?1 AND r.conversation_id = ?2 AND r.seq = ?4
WHERE a.tenant_id = ?1 AND a.id = ?3;

-- ready_deliveries: conversations whose first delivery may be leased, longest due first
SELECT {Lane c} FROM conversations c
WHERE c.delivery_due_at IS NOT NULL AND c.delivery_due_at <= ? ORDER BY c.delivery_due_at LIMIT ?;

-- head: the first open delivery of a lane, its text, and the message that it answers
SELECT {Delivery d}, a.state, m.text, coalesce(r.provider_message_id, ''), r.message_metadata, m.attachments,
       coalesce(p.held_until IS NOT NULL OR p.ill_until IS NOT NULL OR p.unproven >= p.allowed, false), m.role
FROM deliveries d
JOIN channel_accounts a ON a.tenant_id = d.tenant_id AND a.id = d.account_id
JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id
LEFT JOIN paces p ON p.tenant_id = d.tenant_id AND p.account_id = d.account_id AND p.recipient = ''
LEFT JOIN messages r ON r.tenant_id = d.tenant_id AND r.conversation_id = d.conversation_id AND r.seq = d.reply_to_seq
WHERE d.tenant_id = ? AND d.conversation_id = ? AND d.state IN ('queued', 'sending') ORDER BY d.seq LIMIT 1;

-- lane_of_delivery: the conversation of a delivery
SELECT {Lane c} FROM deliveries d JOIN conversations c ON c.tenant_id = d.tenant_id AND c.id = d.conversation_id
WHERE d.tenant_id = ? AND d.id = ?;

-- delivery: one delivery
SELECT {Delivery d} FROM deliveries d WHERE d.tenant_id = ? AND d.id = ?;

-- attempts: every call that was made for a delivery
SELECT {Attempt t} FROM attempts t WHERE t.tenant_id = ? AND t.delivery_id = ? ORDER BY t.number;

-- target_by_provider: the delivery that a provider's id belongs to
SELECT d.tenant_id, d.id, d.conversation_id FROM attempts t
JOIN deliveries d ON d.tenant_id = t.tenant_id AND d.id = t.delivery_id
WHERE t.tenant_id = ? AND t.account_id = ? AND t.provider_message_id = ? AND t.provider_message_id <> '';

-- target_by_id: the delivery that our own id belongs to, on that account only
SELECT d.tenant_id, d.id, d.conversation_id FROM deliveries d WHERE d.tenant_id = ? AND d.id = ? AND d.account_id = ?;

-- in_flight: the calls into a chat of which nobody knows yet whether they were taken, and what they show
SELECT t.delivery_id, t.part, t.shown FROM conversations c
JOIN deliveries d ON d.tenant_id = c.tenant_id AND d.conversation_id = c.id AND d.state IN ('queued', 'sending')
JOIN attempts t ON t.tenant_id = d.tenant_id AND t.delivery_id = d.id AND t.outcome IN ('begun', 'unknown')
                AND t.receipt = ''
WHERE c.tenant_id = ?1 AND c.account_id = ?2 AND c.chat_id = ?3
UNION ALL
SELECT t.delivery_id, t.part, t.shown FROM conversations c
JOIN deliveries d ON d.tenant_id = c.tenant_id AND d.conversation_id = c.id
                 AND d.state IN ('failed', 'unknown') AND d.state = 'unknown'
JOIN attempts t ON t.tenant_id = d.tenant_id AND t.delivery_id = d.id AND t.outcome = 'unknown' AND t.receipt = ''
WHERE c.tenant_id = ?1 AND c.account_id = ?2 AND c.chat_id = ?3;

-- early_by_provider: receipts that came before their attempt was recorded
SELECT {Receipt r} FROM receipts r
WHERE r.tenant_id = ? AND r.account_id = ? AND r.provider_message_id = ? AND r.provider_message_id <> '' AND NOT r.matched;

-- early_by_delivery: the same, when the provider carries our id back
SELECT {Receipt r} FROM receipts r WHERE r.tenant_id = ? AND r.delivery_id = ? AND r.delivery_id <> '' AND NOT r.matched;

-- options: what an account says
SELECT options FROM channel_accounts WHERE tenant_id = ? AND id = ?;

-- other_chat: of a person whom another account knows by the same phone number, one to one, for what is said in one of
-- their chats; what came from another chat, which its metadata says, goes nowhere else
SELECT t.id, t.chat_id, m.role FROM deliveries d
JOIN conversations c ON c.tenant_id = d.tenant_id AND c.id = d.conversation_id
JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id AND m.message_metadata IS NULL
JOIN identities i ON i.tenant_id = c.tenant_id AND i.account_id = c.account_id AND i.sender_id = c.chat_id
                 AND i.phone <> ''
JOIN identities o ON o.tenant_id = i.tenant_id AND o.account_id = ?3 AND o.phone = i.phone AND o.phone <> ''
JOIN channel_accounts a ON a.tenant_id = o.tenant_id AND a.id = o.account_id AND a.state = 'active'
JOIN conversations t ON t.tenant_id = o.tenant_id AND t.account_id = o.account_id AND t.chat_id = o.sender_id
WHERE o.account_id <> c.account_id AND d.tenant_id = ?1 AND d.id = ?2;

-- policy: what an account does with a send of which nobody knows
SELECT unknown_policy FROM channel_accounts WHERE tenant_id = ? AND id = ?;

-- pace: how fast an account, a tenant or a shared chat may be sent to
SELECT {Pace p} FROM paces p WHERE p.tenant_id = ? AND p.account_id = ? AND p.recipient = ?;

-- prove_account: its provider works, as a receipt shows
UPDATE paces SET ill_until = NULL, suspect = '', failures = 0, unproven = 0,
  allowed = CASE WHEN allowed < 4 THEN 4 ELSE allowed END
WHERE tenant_id = ? AND account_id = ? AND recipient = '';

-- forget_paces: chats that nothing was sent to for a while
DELETE FROM paces WHERE rowid IN
  (SELECT rowid FROM paces WHERE recipient <> '' AND (begun_at IS NULL OR begun_at < ?) LIMIT ?);

-- move_messages: the first messages of a turn go into another
UPDATE messages SET turn_id = ?4
WHERE tenant_id = ?1 AND conversation_id = ?2 AND seq BETWEEN ?5 AND ?6 AND turn_id = ?3;

-- grow_waiting: a turn that waits got another message, or the lane before it is free now
UPDATE turns SET due_at = ?3, messages = ?4, last_seq = ?5,
  deadline_at = max(deadline_at, max(?3, ?6) + deadline_seconds * 1000000)
WHERE tenant_id = ?1 AND id = ?2;

-- keep_model_conversation: what a model server calls a conversation that it holds, and the place where that was said;
-- said again, it writes no row, unless the context began anew meanwhile
UPDATE conversations SET model_conversation = ?3, model_conversation_seq = ?4
WHERE tenant_id = ?1 AND id = ?2 AND (model_conversation <> ?3 OR model_conversation_seq <= context_seq);

-- begin_anew: a conversation whose contact wants to begin anew, with the prompt that is live now
UPDATE conversations SET summary = '', summary_seq = 0, model = '', model_conversation = '',
  prompt_version_id = (SELECT p.live_version_id FROM agents g
                       JOIN prompts p ON p.tenant_id = g.tenant_id AND p.id = g.prompt_id
                       WHERE g.tenant_id = conversations.tenant_id AND g.id = conversations.agent_id)
WHERE tenant_id = ? AND id = ?;

-- keep_choice: model and language of a conversation; what is not said stays
UPDATE conversations SET model = coalesce(?3, model), language = coalesce(?4, language)
WHERE tenant_id = ?1 AND id = ?2;

-- leave_queue: nobody waits for a human any more
UPDATE queue_entries SET closed_at = ?3 WHERE tenant_id = ?1 AND conversation_id = ?2 AND closed_at IS NULL;

-- count_tokens: what a tenant's turns read and wrote on a day; a sum that leaves 64 bits would be no whole number any more
INSERT INTO token_days (tenant_id, day, tokens) VALUES (?, ?, ?)
ON CONFLICT (tenant_id, day) DO UPDATE SET tokens = min(tokens + excluded.tokens, 4611686018427387903);

-- ready_fetches: attachments that may be fetched now, longest due first
SELECT {Media f} FROM media f WHERE f.state IN ('waiting', 'fetching') AND f.due_at <= ? ORDER BY f.due_at LIMIT ?;

-- next_fetch: when the next attachment may be fetched
SELECT min(due_at) FROM media WHERE state IN ('waiting', 'fetching');

-- media_of: one attachment
SELECT {Media f} FROM media f WHERE f.tenant_id = ? AND f.id = ?;

-- open_media: what of a conversation is still to be fetched
SELECT {Media f} FROM media f
WHERE f.tenant_id = ? AND f.conversation_id = ? AND f.state IN ('waiting', 'fetching');

-- attachments: of one message
SELECT attachments FROM messages WHERE tenant_id = ? AND id = ?;

-- attach: a message's attachments, as they are known now
UPDATE messages SET attachments = ?3 WHERE tenant_id = ?1 AND id = ?2;

-- hold_media: a fetch goes on, by who holds it
UPDATE media SET due_at = ?5 + cast(lease_seconds * 1000000 AS INTEGER)
WHERE tenant_id = ?1 AND id = ?2 AND state = 'fetching' AND worker_id = ?3 AND epoch = ?4;

-- add_piece: bytes, in the place of those that came under the same number
INSERT INTO media_pieces (tenant_id, media_id, number, content) VALUES (?, ?, ?, ?)
ON CONFLICT (tenant_id, media_id, number) DO UPDATE SET content = excluded.content;

-- count_pieces: how many of the first so many are there
SELECT count(*) FROM media_pieces WHERE tenant_id = ? AND media_id = ? AND number < ?;

-- trim_pieces: all behind the first so many go
DELETE FROM media_pieces WHERE tenant_id = ? AND media_id = ? AND number >= ?;

-- old_media: what was kept long enough
SELECT {Media f} FROM media f WHERE f.ended_at < ? ORDER BY f.ended_at, f.id LIMIT ?;

-- unsent: what is still to be sent in a conversation
SELECT {Delivery d} FROM deliveries d
WHERE d.tenant_id = ? AND d.conversation_id = ? AND d.state IN ('queued', 'sending') ORDER BY d.seq;

-- overtaken: whether something was called for that stands behind a delivery in its conversation
SELECT 1 FROM deliveries d
JOIN messages m ON m.tenant_id = d.tenant_id AND m.conversation_id = d.conversation_id AND m.seq > d.seq
JOIN deliveries l ON l.tenant_id = m.tenant_id AND l.id = m.delivery_id AND l.attempts > 0
WHERE d.tenant_id = ? AND d.id = ? LIMIT 1;

-- sum_up: a summary, in the place of the one before
UPDATE conversations SET summary = ?3, summary_seq = ?4 WHERE tenant_id = ?1 AND id = ?2;

-- late_summaries: summary jobs that nobody holds: they may be leased, or were leased too often
SELECT {Summary s} FROM summaries s WHERE s.state <> 'ended' AND s.expires_at <= ? ORDER BY s.expires_at LIMIT ?;

-- summary: a summary job, and how far the conversation's summary goes now
SELECT {Summary s}, c.summary_seq FROM summaries s
JOIN conversations c ON c.tenant_id = s.tenant_id AND c.id = s.conversation_id
WHERE s.tenant_id = ? AND s.id = ?;

-- oldest: the first messages behind a place, up to another
SELECT m.seq, m.role, m.text, m.attachments, m.created_at
FROM messages m
WHERE m.tenant_id = ? AND m.conversation_id = ? AND m.seq > ? AND m.seq <= ? ORDER BY m.seq LIMIT ?;

-- pause_account: its credentials were refused
UPDATE channel_accounts SET state = 'paused', state_reason = ?3, version = version + 1, updated_at = ?5
WHERE tenant_id = ?1 AND id = ?2 AND state = 'active' AND (?4 IS NULL OR updated_at <= ?4);

-- expired_turns: leases that ended without a word
SELECT tenant_id, id FROM turns WHERE state = 'running' AND expires_at <= ? ORDER BY expires_at LIMIT ?;

-- overdue_turns: open turns whose time is over
SELECT tenant_id, id FROM turns
WHERE state IN ('waiting', 'returned', 'running') AND deadline_at <= ? ORDER BY deadline_at LIMIT ?;

-- expired_deliveries: leases of senders that are gone
SELECT tenant_id, id FROM deliveries WHERE expires_at IS NOT NULL AND expires_at <= ? ORDER BY expires_at LIMIT ?;

-- unmatched: receipts that still look for their delivery
SELECT {Receipt r} FROM receipts r WHERE NOT r.matched AND r.created_at >= ? ORDER BY r.created_at DESC LIMIT ?;

-- freed: lanes that were parked, of an account that is active again
SELECT {Lane c} FROM channel_accounts a
JOIN conversations c ON c.tenant_id = a.tenant_id AND c.account_id = a.id AND c.delivery_parked
WHERE a.state = 'active' LIMIT ?;

-- forget_raw: bodies that were kept long enough
DELETE FROM raw_payloads WHERE rowid IN
  (SELECT rowid FROM raw_payloads WHERE created_at < ? ORDER BY created_at LIMIT ?);

-- forget_receipts: receipts about nothing that we sent, when they were kept long enough
DELETE FROM receipts WHERE rowid IN
  (SELECT rowid FROM receipts WHERE NOT matched AND created_at < ? ORDER BY created_at LIMIT ?);

-- forget_requests: request ids that were remembered long enough
DELETE FROM requests WHERE rowid IN
  (SELECT rowid FROM requests WHERE created_at < ? ORDER BY created_at LIMIT ?);

-- next_turn: when the next turn is due
SELECT min(turn_due_at) FROM conversations WHERE turn_due_at IS NOT NULL;

-- next_delivery: when the next delivery is due
SELECT min(delivery_due_at) FROM conversations WHERE delivery_due_at IS NOT NULL;

-- open_turns: how many turns are open, counted no further than asked
SELECT count(*), min(deadline_at - deadline_seconds * 1000000) FROM
  (SELECT deadline_at, deadline_seconds FROM turns WHERE state IN ('waiting', 'returned', 'running')
   ORDER BY deadline_at LIMIT ?);

-- open_deliveries: how many deliveries are open, counted no further than asked
SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE state IN ('queued', 'sending') LIMIT ?);

-- crowds: accounts that have much to send, counted no further than asked
SELECT g.tenant_id, g.account_id, g.deliveries, a.options FROM
  (SELECT d.tenant_id, d.account_id, count(*) AS deliveries FROM
     (SELECT tenant_id, account_id FROM deliveries WHERE state IN ('queued', 'sending') LIMIT ?1) AS d
   GROUP BY d.tenant_id, d.account_id HAVING count(*) >= ?2) AS g
JOIN channel_accounts a ON a.tenant_id = g.tenant_id AND a.id = g.account_id;

-- stopped: how many accounts send nothing now
SELECT count(*) FILTER (WHERE held_until > ?1), count(*) FILTER (WHERE ill_until > ?1) FROM paces WHERE recipient = '';

-- set_back_turn_lanes: turns are due when they would have been if the clock had not been set back from ?1 by ?2
UPDATE conversations SET
  turn_due_at = CASE WHEN turn_due_at > ?1 THEN turn_due_at - ?2 ELSE turn_due_at END,
  waiting_due_at = CASE WHEN waiting_due_at > ?1 THEN waiting_due_at - ?2 ELSE waiting_due_at END,
  held_until = CASE WHEN held_until > ?1 THEN held_until - ?2 ELSE held_until END
WHERE (tenant_id, id) IN
  (SELECT tenant_id, conversation_id FROM turns WHERE state IN ('waiting', 'returned', 'running'));

-- set_back_delivery_lanes: and so are deliveries
UPDATE conversations SET delivery_due_at = delivery_due_at - ?2 WHERE delivery_due_at > ?1;

-- set_back_turns: what ends a turn ends it then, too, unless it was noted by the clock as it is now
UPDATE turns SET
  due_at = CASE WHEN due_at > ?1 THEN due_at - ?2 ELSE due_at END,
  deadline_at = CASE WHEN deadline_at > ?3 THEN deadline_at - ?2 ELSE deadline_at END,
  expires_at = CASE WHEN expires_at > ?3 THEN expires_at - ?2 ELSE expires_at END
WHERE state IN ('waiting', 'returned', 'running');

-- set_back_deliveries: the same of deliveries
UPDATE deliveries SET
  due_at = CASE WHEN due_at > ?1 THEN due_at - ?2 ELSE due_at END,
  expires_at = CASE WHEN expires_at > ?3 THEN expires_at - ?2 ELSE expires_at END
WHERE state IN ('queued', 'sending');

-- set_back_media: the same of fetches
UPDATE media SET due_at = due_at - ?2
WHERE state IN ('waiting', 'fetching') AND due_at > CASE state WHEN 'waiting' THEN ?1 ELSE ?3 END;

-- set_back_summaries: the same of summary jobs
UPDATE summaries SET expires_at = expires_at - ?2 WHERE state <> 'ended' AND expires_at > ?3;
