-- Hot statements on Postgres. Each takes a whole group as arrays and costs one round trip; plain writes are in writes.py.
-- Locks: conversations first, in the order of their ids. What hangs on a locked row is locked with it, or read by a
-- later statement, because the statement that locks still sees what it does not lock as it was before it waited.

-- seats: account settings, and the rows of the chats and of the senders when they exist; one to one, of the chat that
-- bears another id of theirs
SELECT k.tenant_id, k.account_id, k.chat_id, k.sender_id,
       a.channel, a.state, a.agent_id, coalesce(a.quiet_window_ms, g.quiet_window_ms, a.default_quiet_ms),
       g.turn_deadline_seconds, p.live_version_id, c.id, i.contact_id, g.manners, coalesce(i.chat_id, '')
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (tenant_id, account_id, chat_id, sender_id)
JOIN channel_accounts a ON a.tenant_id = k.tenant_id AND a.id = k.account_id
JOIN agents g ON g.tenant_id = a.tenant_id AND g.id = a.agent_id
LEFT JOIN prompts p ON p.tenant_id = g.tenant_id AND p.id = g.prompt_id
LEFT JOIN identities i ON i.tenant_id = k.tenant_id AND i.account_id = k.account_id AND i.sender_id = k.sender_id
LEFT JOIN conversations c ON c.tenant_id = k.tenant_id AND c.account_id = k.account_id
  AND c.chat_id = CASE WHEN i.chat_id <> '' AND k.chat_id = k.sender_id THEN i.chat_id ELSE k.chat_id END;

-- add_contacts: people seen for the first time, each with the ids by which the account knows them; whoever came first
-- stays, so it says which ids are new. It waits for no disk: nobody is promised a contact, and the commit of what they
-- said takes everything before it along.
WITH new AS (
  INSERT INTO identities (tenant_id, account_id, sender_id, chat_id, channel, phone, contact_id, created_at)
  SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $8::text[],
                       $9::timestamptz[])
  ON CONFLICT DO NOTHING RETURNING tenant_id, account_id, sender_id, contact_id, created_at),
soon AS (SELECT set_config('synchronous_commit', 'off', true)),
people AS (
  INSERT INTO contacts (tenant_id, id, name, created_at)
  SELECT DISTINCT new.tenant_id, new.contact_id, named.name, new.created_at
  FROM soon CROSS JOIN new JOIN unnest($7::text[], $8::text[]) AS named (name, contact_id)
    ON named.contact_id = new.contact_id)
SELECT tenant_id, account_id, sender_id FROM new;

-- add_conversations: chats seen for the first time, pinned to the prompt version that is live now. The contact's lock
-- is the erasure's: a person who is being erased gets no new chat, and one who gets it is erased with it. The lock of
-- the id is theirs who find that it is another person's as well: then its chat is the other one. No disk is waited for
-- here either.
WITH soon AS (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO conversations
  (tenant_id, id, account_id, channel, chat_id, contact_id, agent_id, prompt_version_id, created_at, updated_at)
SELECT k.tenant_id, k.id, k.account_id, k.channel, k.chat_id, i.contact_id, k.agent_id, k.prompt_version_id, k.at, k.at
FROM soon CROSS JOIN unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                            $8::text[], $9::timestamptz[])
  AS k (tenant_id, account_id, chat_id, sender_id, id, channel, agent_id, prompt_version_id, at)
JOIN identities i ON i.tenant_id = k.tenant_id AND i.account_id = k.account_id AND i.sender_id = k.sender_id
                 AND (i.chat_id IN ('', k.chat_id) OR k.chat_id <> k.sender_id)
JOIN contacts p ON p.tenant_id = i.tenant_id AND p.id = i.contact_id AND p.erased_at IS NULL
ORDER BY k.tenant_id, k.account_id, k.chat_id
FOR SHARE OF p, i
ON CONFLICT DO NOTHING RETURNING tenant_id, account_id, chat_id, id;

-- hold_ids: locks the contacts to whom two ids belong that are one person's, and the ids
SELECT i.sender_id, i.contact_id, i.chat_id FROM contacts p
JOIN identities i ON i.tenant_id = p.tenant_id AND i.contact_id = p.id
WHERE i.tenant_id = $1 AND i.account_id = $2 AND i.sender_id IN ($3, $4) AND p.erased_at IS NULL
ORDER BY p.id, i.sender_id FOR UPDATE OF p, i;

-- begun: the chats that bear one of these ids
SELECT c.chat_id, c.owner, c.updated_at FROM conversations c
WHERE c.tenant_id = $1 AND c.account_id = $2 AND c.chat_id IN ($3, $4);

-- add_id: one more id of a contact; whoever came first stays
INSERT INTO identities (tenant_id, account_id, sender_id, channel, phone, contact_id, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING;

-- move_ids: what is known of a contact is another's
UPDATE identities SET contact_id = $3 WHERE tenant_id = $1 AND contact_id = $2;

-- move_chats: and so are the chats
UPDATE conversations SET contact_id = $3 WHERE tenant_id = $1 AND id IN (
  SELECT c.id FROM conversations c WHERE c.tenant_id = $1 AND c.contact_id = $2 ORDER BY c.id FOR UPDATE);

-- leave_contact: which is nobody any more
DELETE FROM contacts WHERE tenant_id = $1 AND id = $2;

-- lead_ids: where both ids, and those that led to one of them, lead now
UPDATE identities SET chat_id = CASE WHEN sender_id = $6 THEN '' ELSE $6 END
WHERE tenant_id = $1 AND account_id = $2 AND contact_id = $5 AND (sender_id IN ($3, $4) OR chat_id IN ($3, $4));

-- lanes: locks conversations
SELECT {Lane c} FROM conversations c
JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) ON c.tenant_id = k.tenant_id AND c.id = k.id
ORDER BY c.tenant_id, c.id FOR UPDATE OF c;

-- lanes_and_settings: locks conversations, and says who answers them, and with what
SELECT {Lane c}, coalesce(v.text, ''), coalesce(c.prompt_version_id, ''),
       coalesce(nullif(c.model, ''), nullif(p.model, ''), nullif(a.model, ''), g.model),
       g.fallback_text, c.summary, c.summary_seq, g.reserve_tokens, c.model_conversation,
       c.language, coalesce(d.tokens, 0), g.manners, a.formatting, a.options,
       coalesce(nullif(a.model, ''), g.model)
FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
JOIN conversations c ON c.tenant_id = k.tenant_id AND c.id = k.id
JOIN agents g ON g.tenant_id = c.tenant_id AND g.id = c.agent_id
JOIN channel_accounts a ON a.tenant_id = c.tenant_id AND a.id = c.account_id
LEFT JOIN contacts p ON p.tenant_id = c.tenant_id AND p.id = c.contact_id
LEFT JOIN prompt_versions v ON v.tenant_id = c.tenant_id AND v.id = c.prompt_version_id
LEFT JOIN token_days d ON d.tenant_id = c.tenant_id AND d.day = $3
ORDER BY c.tenant_id, c.id FOR UPDATE OF c;

-- seen: messages that were accepted before; and of those that were erased since, what is left
SELECT k.tenant_id, k.account_id, k.chat_id, k.provider_message_id,
       m.id, m.conversation_id, m.seq, m.turn_id, m.text, m.created_at, NULL::bytea AS digest
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (tenant_id, account_id, chat_id, provider_message_id)
JOIN messages m ON m.tenant_id = k.tenant_id AND m.account_id = k.account_id AND m.chat_id = k.chat_id
               AND m.provider_message_id = k.provider_message_id
UNION ALL
SELECT t.tenant_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, t.digest FROM tombstones t
JOIN unnest($5::text[], $6::bytea[]) AS k (tenant_id, digest) ON t.tenant_id = k.tenant_id AND t.digest = k.digest;

-- ready_turns: locks conversations whose turn may be leased, longest due first; what others hold is skipped
SELECT {Lane c} FROM conversations c
WHERE c.turn_due_at IS NOT NULL AND c.turn_due_at <= $1 ORDER BY c.turn_due_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- locked_turns: locks the conversations of turns, and the turns: what is locked is read as it is after the wait
SELECT {Lane c}, {Turn t} FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
JOIN turns t ON t.tenant_id = k.tenant_id AND t.id = k.id
JOIN conversations c ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id
ORDER BY c.tenant_id, c.id FOR UPDATE OF c, t;

-- answered_turns: the same, with their accounts' states and the messages that a reply would answer
SELECT {Lane c}, {Turn t}, a.state, coalesce(r.provider_message_id, ''), r.message_metadata
FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
JOIN turns t ON t.tenant_id = k.tenant_id AND t.id = k.id
JOIN conversations c ON c.tenant_id = t.tenant_id AND c.id = t.conversation_id
JOIN channel_accounts a ON a.tenant_id = c.tenant_id AND a.id = c.account_id
LEFT JOIN messages r ON r.tenant_id = t.tenant_id AND r.conversation_id = t.conversation_id AND r.seq = t.last_seq
ORDER BY c.tenant_id, c.id FOR UPDATE OF c, t;

-- turns: turns as they are now
SELECT {Turn t} FROM turns t
JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) ON t.tenant_id = k.tenant_id AND t.id = k.id;

-- heard: the messages that turns are to answer, and the last few before
SELECT k.which, m.* FROM
unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]) WITH ORDINALITY
  AS k (tenant_id, conversation_id, turn_id, first_seq, last_reply_seq, history, context_seq, which)
CROSS JOIN LATERAL (
  WITH own AS MATERIALIZED (
    SELECT o.seq, o.role, o.text, o.attachments, o.created_at, o.id, o.turn_id, o.provider_message_id,
           o.correlation_id, o.traceparent, o.provider_at
    FROM messages o
    WHERE o.tenant_id = k.tenant_id AND o.conversation_id = k.conversation_id AND o.seq >= k.first_seq
      AND o.turn_id = k.turn_id
    ORDER BY o.seq LIMIT $8)
  SELECT * FROM own
  UNION ALL
  (SELECT h.seq, h.role, h.text, h.attachments, h.created_at, NULL, NULL, NULL, NULL, NULL, NULL
   FROM messages h
   WHERE h.tenant_id = k.tenant_id AND h.conversation_id = k.conversation_id
     AND h.seq > k.context_seq AND h.seq < (SELECT max(own.seq) FROM own) AND h.turn_id IS DISTINCT FROM k.turn_id
     AND h.taken_back_at IS NULL AND (h.text <> '' OR h.attachments IS NOT NULL)
   ORDER BY h.seq DESC LIMIT k.history)
  UNION ALL
  SELECT r.seq, r.role, r.text, r.attachments, r.created_at, NULL, NULL, NULL, NULL, NULL, NULL
  FROM messages r
  WHERE r.tenant_id = k.tenant_id AND r.conversation_id = k.conversation_id AND r.seq = k.last_reply_seq
    AND r.seq > (SELECT max(own.seq) FROM own) AND k.history > 0
    AND (r.text <> '' OR r.attachments IS NOT NULL)
) AS m;

-- history: the last few messages before turns that are about to be written, the newest first
SELECT k.which, h.* FROM
unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[]) WITH ORDINALITY
  AS k (tenant_id, conversation_id, first_seq, history, context_seq, which)
CROSS JOIN LATERAL (
  SELECT m.seq, m.role, m.text, m.attachments, m.created_at FROM messages m
  WHERE m.tenant_id = k.tenant_id AND m.conversation_id = k.conversation_id
    AND m.seq > k.context_seq AND m.seq < k.first_seq AND m.taken_back_at IS NULL
    AND (m.text <> '' OR m.attachments IS NOT NULL)
  ORDER BY m.seq DESC LIMIT k.history) AS h;

-- ready_deliveries: locks conversations whose first delivery may be leased, longest due first
SELECT {Lane c} FROM conversations c
WHERE c.delivery_due_at IS NOT NULL AND c.delivery_due_at <= $1
ORDER BY c.delivery_due_at LIMIT $2 FOR UPDATE SKIP LOCKED;

-- heads: the first open delivery of each lane, its text, and the message that it answers
SELECT {Delivery d}, a.state, m.text, coalesce(r.provider_message_id, ''), r.message_metadata, m.attachments,
       coalesce(p.held_until IS NOT NULL OR p.ill_until IS NOT NULL OR p.unproven >= p.allowed, false), m.role
FROM unnest($1::text[], $2::text[]) AS k (tenant_id, conversation_id)
CROSS JOIN LATERAL (
  SELECT * FROM deliveries f
  WHERE f.tenant_id = k.tenant_id AND f.conversation_id = k.conversation_id AND f.state IN ('queued', 'sending')
  ORDER BY f.seq LIMIT 1) AS d
JOIN channel_accounts a ON a.tenant_id = d.tenant_id AND a.id = d.account_id
JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id
LEFT JOIN paces p ON p.tenant_id = d.tenant_id AND p.account_id = d.account_id AND p.recipient = ''
LEFT JOIN messages r ON r.tenant_id = d.tenant_id AND r.conversation_id = d.conversation_id AND r.seq = d.reply_to_seq;

-- locked_deliveries: locks the conversations of deliveries, and the deliveries
SELECT {Lane c}, {Delivery d} FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
JOIN deliveries d ON d.tenant_id = k.tenant_id AND d.id = k.id
JOIN conversations c ON c.tenant_id = d.tenant_id AND c.id = d.conversation_id
ORDER BY c.tenant_id, c.id FOR UPDATE OF c, d;

-- deliveries: deliveries as they are now
SELECT {Delivery d} FROM deliveries d
JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) ON d.tenant_id = k.tenant_id AND d.id = k.id;

-- attempts: every call that was made for these deliveries
SELECT {Attempt t} FROM attempts t
JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) ON t.tenant_id = k.tenant_id AND t.delivery_id = k.id
ORDER BY t.number;

-- targets: the deliveries that receipts are about, by our own id or by the provider's, on that account only
SELECT d.tenant_id, d.id, d.conversation_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant_id, account_id, delivery_id)
JOIN deliveries d ON d.tenant_id = k.tenant_id AND d.id = k.delivery_id AND d.account_id = k.account_id
UNION
SELECT d.tenant_id, d.id, d.conversation_id
FROM unnest($1::text[], $2::text[], $4::text[]) AS k (tenant_id, account_id, provider_message_id)
JOIN attempts t ON t.tenant_id = k.tenant_id AND t.account_id = k.account_id
               AND t.provider_message_id = k.provider_message_id AND t.provider_message_id <> ''
JOIN deliveries d ON d.tenant_id = t.tenant_id AND d.id = t.delivery_id;

-- in_flight: the calls into a chat of which nobody knows yet whether they were taken, and what they show
SELECT t.delivery_id, t.part, t.shown FROM conversations c
JOIN deliveries d ON d.tenant_id = c.tenant_id AND d.conversation_id = c.id AND d.state IN ('queued', 'sending')
JOIN attempts t ON t.tenant_id = d.tenant_id AND t.delivery_id = d.id AND t.outcome IN ('begun', 'unknown')
                AND t.receipt = ''
WHERE c.tenant_id = $1 AND c.account_id = $2 AND c.chat_id = $3
UNION ALL
SELECT t.delivery_id, t.part, t.shown FROM conversations c
JOIN deliveries d ON d.tenant_id = c.tenant_id AND d.conversation_id = c.id
                 AND d.state IN ('failed', 'unknown') AND d.state = 'unknown'
JOIN attempts t ON t.tenant_id = d.tenant_id AND t.delivery_id = d.id AND t.outcome = 'unknown' AND t.receipt = ''
WHERE c.tenant_id = $1 AND c.account_id = $2 AND c.chat_id = $3;

-- early: receipts that came before their attempt was recorded, by our id when the provider carries it back, or by its own
SELECT {Receipt r} FROM receipts r
JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) ON r.tenant_id = k.tenant_id AND r.delivery_id = k.id
WHERE r.delivery_id <> '' AND NOT r.matched
UNION
SELECT {Receipt r} FROM receipts r
JOIN unnest($3::text[], $4::text[], $5::text[]) AS k (tenant_id, account_id, provider_message_id)
  ON r.tenant_id = k.tenant_id AND r.account_id = k.account_id AND r.provider_message_id = k.provider_message_id
WHERE r.provider_message_id <> '' AND NOT r.matched;

-- policies: what accounts do with a send of which nobody knows
SELECT a.tenant_id, a.id, a.unknown_policy FROM channel_accounts a
JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) ON a.tenant_id = k.tenant_id AND a.id = k.id;

-- options: what accounts say
SELECT a.tenant_id, a.id, a.options FROM channel_accounts a
JOIN unnest($1::text[], $2::text[]) AS k (tenant_id, id) ON a.tenant_id = k.tenant_id AND a.id = k.id;

-- other_chats: of people whom another account knows by the same phone number, one to one, for what is said in one of
-- their chats; what came from another chat, which its metadata says, goes nowhere else
SELECT k.tenant_id, k.delivery_id, t.id, t.chat_id, m.role
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant_id, delivery_id, account_id)
JOIN deliveries d ON d.tenant_id = k.tenant_id AND d.id = k.delivery_id
JOIN conversations c ON c.tenant_id = d.tenant_id AND c.id = d.conversation_id
JOIN messages m ON m.tenant_id = d.tenant_id AND m.id = d.message_id AND m.message_metadata IS NULL
JOIN identities i ON i.tenant_id = c.tenant_id AND i.account_id = c.account_id AND i.sender_id = c.chat_id
                 AND i.phone <> ''
JOIN identities o ON o.tenant_id = i.tenant_id AND o.account_id = k.account_id AND o.phone = i.phone AND o.phone <> ''
JOIN channel_accounts a ON a.tenant_id = o.tenant_id AND a.id = o.account_id AND a.state = 'active'
JOIN conversations t ON t.tenant_id = o.tenant_id AND t.account_id = o.account_id AND t.chat_id = o.sender_id
WHERE o.account_id <> c.account_id;

-- paces: locks how fast accounts, tenants and shared chats may be sent to
SELECT {Pace p} FROM paces p
JOIN unnest($1::text[], $2::text[], $3::text[]) AS k (tenant_id, account_id, recipient)
  ON p.tenant_id = k.tenant_id AND p.account_id = k.account_id AND p.recipient = k.recipient
ORDER BY p.tenant_id, p.account_id, p.recipient FOR UPDATE OF p;

-- prove_accounts: their providers work, as receipts show
UPDATE paces p SET ill_until = NULL, suspect = '', failures = 0, unproven = 0,
  allowed = CASE WHEN allowed < 4 THEN 4 ELSE allowed END
FROM unnest($1::text[], $2::text[]) AS k (tenant_id, account_id)
WHERE p.tenant_id = k.tenant_id AND p.account_id = k.account_id AND p.recipient = '';

-- forget_paces: chats that nothing was sent to for a while
DELETE FROM paces p USING
  (SELECT tenant_id, account_id, recipient FROM paces
   WHERE recipient <> '' AND (begun_at IS NULL OR begun_at < $1) LIMIT $2) AS old
WHERE p.tenant_id = old.tenant_id AND p.account_id = old.account_id AND p.recipient = old.recipient;

-- move_messages: the first messages of a turn go into another
UPDATE messages m SET turn_id = k.to_turn
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[])
  AS k (tenant_id, conversation_id, from_turn, to_turn, first_seq, last_seq)
WHERE m.tenant_id = k.tenant_id AND m.conversation_id = k.conversation_id
  AND m.seq BETWEEN k.first_seq AND k.last_seq AND m.turn_id = k.from_turn;

-- grow_waiting: turns that wait got another message, or the lane before them is free now
UPDATE turns t SET due_at = k.due_at, messages = k.messages, last_seq = k.last_seq,
  deadline_at = greatest(t.deadline_at, greatest(k.due_at, k.free_at) + make_interval(secs => t.deadline_seconds))
FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::timestamptz[])
  AS k (tenant_id, id, due_at, messages, last_seq, free_at)
WHERE t.tenant_id = k.tenant_id AND t.id = k.id;

-- keep_model_conversations: what model servers call conversations that they hold, and the place where that was said;
-- said again, it writes no row, unless the context began anew meanwhile
UPDATE conversations c SET model_conversation = k.model_conversation, model_conversation_seq = k.seq
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS k (tenant_id, id, model_conversation, seq)
WHERE c.tenant_id = k.tenant_id AND c.id = k.id
  AND (c.model_conversation <> k.model_conversation OR c.model_conversation_seq <= c.context_seq);

-- begin_anew: conversations whose contact wants to begin anew, with the prompt that is live now
UPDATE conversations c SET summary = '', summary_seq = 0, model = '', model_conversation = '',
  prompt_version_id = (SELECT p.live_version_id FROM agents g
                       JOIN prompts p ON p.tenant_id = g.tenant_id AND p.id = g.prompt_id
                       WHERE g.tenant_id = c.tenant_id AND g.id = c.agent_id)
FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
WHERE c.tenant_id = k.tenant_id AND c.id = k.id;

-- keep_choices: models and languages of conversations; what is not said stays
UPDATE conversations c SET model = coalesce(k.model, c.model), language = coalesce(k.language, c.language)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS k (tenant_id, id, model, language)
WHERE c.tenant_id = k.tenant_id AND c.id = k.id;

-- leave_queue: nobody waits for a human any more
UPDATE queue_entries q SET closed_at = k.closed_at
FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS k (tenant_id, conversation_id, closed_at)
WHERE q.tenant_id = k.tenant_id AND q.conversation_id = k.conversation_id AND q.closed_at IS NULL;

-- count_tokens: what tenants' turns read and wrote on a day; several replicas count one after the other
INSERT INTO token_days AS d (tenant_id, day, tokens)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[]) AS k (tenant_id, day, tokens) ORDER BY k.tenant_id, k.day
ON CONFLICT (tenant_id, day) DO UPDATE SET tokens = least(d.tokens + excluded.tokens, 4611686018427387903);

-- unsent: what is still to be sent in conversations that are locked
SELECT {Delivery d} FROM unnest($1::text[], $2::text[]) AS k (tenant_id, conversation_id)
JOIN deliveries d ON d.tenant_id = k.tenant_id AND d.conversation_id = k.conversation_id
                 AND d.state IN ('queued', 'sending')
ORDER BY d.tenant_id, d.conversation_id, d.seq;

-- overtaken: deliveries behind which something was called for in their conversations
SELECT d.tenant_id, d.id FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
JOIN deliveries d ON d.tenant_id = k.tenant_id AND d.id = k.id
CROSS JOIN LATERAL (
  SELECT 1 FROM messages m
  JOIN deliveries l ON l.tenant_id = m.tenant_id AND l.id = m.delivery_id AND l.attempts > 0
  WHERE m.tenant_id = d.tenant_id AND m.conversation_id = d.conversation_id AND m.seq > d.seq LIMIT 1) AS behind;

-- sum_up: summaries, each in the place of the one before
UPDATE conversations c SET summary = k.summary, summary_seq = k.summary_seq
FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS k (tenant_id, id, summary, summary_seq)
WHERE c.tenant_id = k.tenant_id AND c.id = k.id;

-- ready_fetches: locks attachments that may be fetched now, and their conversations; what others hold is skipped
SELECT {Media f} FROM media f
JOIN conversations c ON c.tenant_id = f.tenant_id AND c.id = f.conversation_id
WHERE f.state IN ('waiting', 'fetching') AND f.due_at <= $1 ORDER BY f.due_at LIMIT $2 FOR UPDATE OF c, f SKIP LOCKED;

-- next_fetch: when the next attachment may be fetched
SELECT min(due_at) FROM media WHERE state IN ('waiting', 'fetching');

-- media_of: locks one attachment
SELECT {Media f} FROM media f WHERE f.tenant_id = $1 AND f.id = $2 FOR UPDATE;

-- open_media: what of a conversation is still to be fetched
SELECT {Media f} FROM media f
WHERE f.tenant_id = $1 AND f.conversation_id = $2 AND f.state IN ('waiting', 'fetching');

-- attachments: of one message
SELECT attachments FROM messages WHERE tenant_id = $1 AND id = $2;

-- attach: messages' attachments, as they are known now
UPDATE messages m SET attachments = k.attachments
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (tenant_id, id, attachments)
WHERE m.tenant_id = k.tenant_id AND m.id = k.id;

-- add_piece: bytes of a fetch that goes on, by who holds it, in the place of those that came under the same number
WITH held AS (
  UPDATE media SET due_at = $5::timestamptz + lease_seconds * interval '1 second'
  WHERE tenant_id = $1 AND id = $2 AND state = 'fetching' AND worker_id = $3 AND epoch = $4::bigint RETURNING tenant_id, id)
INSERT INTO media_pieces (tenant_id, media_id, number, content)
SELECT tenant_id, id, $6::int, $7::bytea FROM held
ON CONFLICT (tenant_id, media_id, number) DO UPDATE SET content = excluded.content RETURNING number;

-- count_pieces: how many of the first so many are there
SELECT count(*) FROM media_pieces WHERE tenant_id = $1 AND media_id = $2 AND number < $3;

-- trim_pieces: all behind the first so many go
DELETE FROM media_pieces WHERE tenant_id = $1 AND media_id = $2 AND number >= $3;

-- old_media: what was kept long enough
SELECT {Media f} FROM media f WHERE f.ended_at < $1 ORDER BY f.ended_at, f.id LIMIT $2;

-- ready_summaries: locks summary jobs that may be leased, and their conversations; what others hold is skipped
SELECT {Summary s} FROM summaries s
JOIN conversations c ON c.tenant_id = s.tenant_id AND c.id = s.conversation_id
WHERE s.state <> 'ended' AND s.expires_at <= $1 ORDER BY s.expires_at LIMIT $2 FOR UPDATE OF c, s SKIP LOCKED;

-- locked_summaries: locks the conversations of summary jobs, and the jobs; and how far their summaries go now
SELECT {Summary s}, c.summary_seq FROM unnest($1::text[], $2::text[]) AS k (tenant_id, id)
JOIN summaries s ON s.tenant_id = k.tenant_id AND s.id = k.id
JOIN conversations c ON c.tenant_id = s.tenant_id AND c.id = s.conversation_id
ORDER BY c.tenant_id, c.id FOR UPDATE OF c, s;

-- oldest: the first messages behind a place, up to another
SELECT k.which, h.* FROM
unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
  AS k (tenant_id, conversation_id, after_seq, last_seq, which)
CROSS JOIN LATERAL (
  SELECT m.seq, m.role, m.text, m.attachments, m.created_at FROM messages m
  WHERE m.tenant_id = k.tenant_id AND m.conversation_id = k.conversation_id
    AND m.seq > k.after_seq AND m.seq <= k.last_seq
  ORDER BY m.seq LIMIT $5) AS h;

-- late_summaries: summary jobs that nobody holds
SELECT {Summary s} FROM summaries s WHERE s.state <> 'ended' AND s.expires_at <= $1 ORDER BY s.expires_at LIMIT $2;

-- pause_accounts: their credentials were refused
UPDATE channel_accounts a SET state = 'paused', state_reason = k.reason, version = version + 1, updated_at = k.at
FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[])
  AS k (tenant_id, id, reason, since, at)
WHERE a.tenant_id = k.tenant_id AND a.id = k.id AND a.state = 'active'
  AND (k.since IS NULL OR a.updated_at <= k.since);

-- expired_turns: leases that ended without a word
SELECT tenant_id, id FROM turns WHERE state = 'running' AND expires_at <= $1 ORDER BY expires_at LIMIT $2;

-- overdue_turns: open turns whose time is over
SELECT tenant_id, id FROM turns
WHERE state IN ('waiting', 'returned', 'running') AND deadline_at <= $1 ORDER BY deadline_at LIMIT $2;

-- expired_deliveries: leases of senders that are gone
SELECT tenant_id, id FROM deliveries
WHERE expires_at IS NOT NULL AND expires_at <= $1 ORDER BY expires_at LIMIT $2;

-- unmatched: receipts that still look for their delivery
SELECT {Receipt r} FROM receipts r WHERE NOT r.matched AND r.created_at >= $1 ORDER BY r.created_at DESC LIMIT $2;

-- freed: locks lanes that were parked, of accounts that are active again
SELECT {Lane c} FROM (
  SELECT p.tenant_id, p.id FROM channel_accounts a
  CROSS JOIN LATERAL (
    SELECT q.tenant_id, q.id FROM conversations q
    WHERE q.tenant_id = a.tenant_id AND q.account_id = a.id AND q.delivery_parked LIMIT $1) AS p
  WHERE a.state = 'active' ORDER BY a.tenant_id, a.id LIMIT $1) AS k
JOIN conversations c ON c.tenant_id = k.tenant_id AND c.id = k.id
ORDER BY c.tenant_id, c.id FOR UPDATE OF c SKIP LOCKED;

-- forget_raw: bodies that were kept long enough
DELETE FROM raw_payloads r USING
  (SELECT tenant_id, id FROM raw_payloads WHERE created_at < $1 ORDER BY created_at LIMIT $2) AS old
WHERE r.tenant_id = old.tenant_id AND r.id = old.id;

-- forget_receipts: receipts about nothing that we sent, when they were kept long enough
DELETE FROM receipts r USING
  (SELECT tenant_id, id FROM receipts WHERE NOT matched AND created_at < $1 ORDER BY created_at LIMIT $2) AS old
WHERE r.tenant_id = old.tenant_id AND r.id = old.id AND NOT r.matched;

-- forget_requests: request ids that were remembered long enough
DELETE FROM requests r USING
  (SELECT tenant_id, rpc, request_id FROM requests WHERE created_at < $1 ORDER BY created_at LIMIT $2) AS old
WHERE r.tenant_id = old.tenant_id AND r.rpc = old.rpc AND r.request_id = old.request_id;

-- next_due: when the next turn and the next delivery are due
SELECT (SELECT min(turn_due_at) FROM conversations WHERE turn_due_at IS NOT NULL),
       (SELECT min(delivery_due_at) FROM conversations WHERE delivery_due_at IS NOT NULL);

-- depths: how much is open, counted no further than asked, and since when
SELECT (SELECT count(*) FROM (SELECT 1 FROM turns WHERE state IN ('waiting', 'returned', 'running')
                              ORDER BY deadline_at LIMIT $1) AS t),
       (SELECT count(*) FROM (SELECT 1 FROM deliveries WHERE state IN ('queued', 'sending')
                              ORDER BY tenant_id, conversation_id, seq LIMIT $1) AS d),
       (SELECT deadline_at - make_interval(secs => deadline_seconds) FROM turns
        WHERE state IN ('waiting', 'returned', 'running') ORDER BY deadline_at LIMIT 1),
       (SELECT min(delivery_due_at) FROM conversations WHERE delivery_due_at IS NOT NULL);

-- crowds: accounts that have much to send, counted no further than asked
SELECT g.tenant_id, g.account_id, g.deliveries, a.options FROM
  (SELECT d.tenant_id, d.account_id, count(*) AS deliveries FROM
     (SELECT tenant_id, account_id FROM deliveries WHERE state IN ('queued', 'sending') LIMIT $1) AS d
   GROUP BY d.tenant_id, d.account_id HAVING count(*) >= $2) AS g
JOIN channel_accounts a ON a.tenant_id = g.tenant_id AND a.id = g.account_id;

-- stopped: how many accounts send nothing now
SELECT count(*) FILTER (WHERE held_until > $1), count(*) FILTER (WHERE ill_until > $1) FROM paces WHERE recipient = '';

-- shapes: the columns of every table, in the order in which values of its type hold them
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY c.relname, a.attnum;

-- alive: this replica is here; what was not seen for a while is forgotten. How many others are there?
WITH me AS (INSERT INTO replicas (id, seen_at, key_ids) VALUES ($1, clock_timestamp(), $2)
            ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at),
  gone AS (DELETE FROM replicas WHERE seen_at < clock_timestamp() - interval '60 seconds' AND id <> $1)
SELECT clock_timestamp(), count(*) FROM replicas
WHERE id <> $1 AND seen_at > clock_timestamp() - interval '5 seconds';

-- outgrown: tables that are four times as large as the planner believes, and not small
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
  AND pg_relation_size(c.oid) > 4 * current_setting('block_size')::bigint * greatest(c.relpages, 1);
