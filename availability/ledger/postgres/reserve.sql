-- Reserves a group of plans: one call, one commit. See reserve.py.
--
-- Every stock row of the group is locked first, in the order all writers take them:
-- by SKU and location_id, as the caller has sorted row_*.
-- What each plan may have is then decided in arrays, one plan after another, and
-- what was decided is written set by set: a row that 64 plans want changes once.
-- A request, an order or a plan that another transaction stored in the meantime
-- breaks a unique index; then all is decided again, with that one in sight.
--
-- Arrays are parallel: plan_* by plan, row_* by distinct (SKU, location), claim_* by
-- claim, queued_* by queued line, move_* by SKU whose moves a guard compares, count_* by
-- distinct (channel, SKU), in this order; add_* by what a plan adds to a count, guard_*
-- by guard, buy_* by purchase. What ends in _plans, _rows or _counts, and *_firsts, are
-- numbers from 1; same_* the last plan before with the same id, or 0.
--
-- The moves that a guard compares, then every count of the group and every count that a
-- guard adds up, are locked after the stock: so a guard decides while no one else can
-- promise. A customer whose purchases are limited is locked before anything.
CREATE OR REPLACE FUNCTION reserve_group(
  plan_ids text[], order_ids text[], bodies bytea[], replies bytea[],
  request_ids text[], digests bytea[], holds bigint[],
  same_plans bigint[], same_orders bigint[], same_requests bigint[],
  row_skus text[], row_locations text[],
  claim_firsts bigint[], claim_plans bigint[], claim_rows bigint[],
  claim_lines text[], claim_units bigint[],
  queued_plans bigint[], queued_channels text[], queued_skus text[],
  queued_lines text[], queued_units bigint[],
  channels text[], customers text[],
  move_skus text[],
  count_channels text[], count_skus text[],
  add_firsts bigint[], add_counts bigint[], add_queued bigint[], add_promised bigint[],
  guard_firsts bigint[], guard_most bigint[], guard_queued boolean[],
  guard_moves bigint[], guard_move_rows bigint[],
  guard_count_firsts bigint[], guard_counts bigint[],
  buy_firsts bigint[], buy_plans bigint[], buy_lines text[], buy_skus text[],
  buy_sizes bigint[], buy_units bigint[], buy_most bigint[], buy_seconds bigint[],
  now_ms bigint,
  OUT outcomes text[], OUT live_plans text[], OUT old_replies bytea[],
  OUT failed_claims bigint[],
  OUT row_keys bigint[], OUT lefts bigint[],
  OUT cap_keys bigint[], OUT load_orders bigint[], OUT load_units bigint[],
  OUT today bigint, OUT new_version bigint, OUT xact bigint, OUT network bigint
) LANGUAGE plpgsql
-- To plan for the very arrays costs more than to run. A plan for any arrays looks up
-- row by row, and must not think otherwise while the tables are small.
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
AS $$
#variable_conflict use_variable
DECLARE
  at_ms CONSTANT bigint :=
    coalesce(now_ms, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint);
  plans CONSTANT int := cardinality(plan_ids);
  units bigint[];        -- by row: what may be promised, NULL where there is no stock
  sells boolean[];       -- by row: the location is active
  row_caps bigint[];     -- by row: number of its location in cap_keys, or 0
  most_orders bigint[];  -- by row, NULL: no limit
  most_units bigint[];
  old_orders bigint[];   -- by capped location: its load today
  old_units bigint[];
  cap_orders bigint[];   -- by capped location, NULL: no limit
  cap_units bigint[];
  plan_needs bigint[];   -- by capped location: what one plan brings
  load_plans bigint[];   -- of plan_load, in parallel
  load_caps bigint[];
  load_needs bigint[];
  moves bigint[];        -- by SKU of move_skus
  old_queued bigint[];   -- by count: as it is, and with what is stored of the group
  old_promised bigint[];
  new_queued bigint[];
  new_promised bigint[];
  total bigint;
  counted boolean;
  old_digests bytea[];
  taken boolean[];
  stored boolean[];
  binds boolean[];
  plan_keys bigint[];
  outcome text;
  other bigint;
  r bigint;
  c bigint;
BEGIN
  IF array_remove(buy_most, NULL) <> '{}' THEN
    PERFORM pg_advisory_xact_lock(limited.hash) FROM (
      SELECT DISTINCT hashtextextended(customers[b.i], 0) AS hash
      FROM unnest(buy_plans, buy_most) AS b(i, most) WHERE b.most IS NOT NULL
      ORDER BY 1
    ) AS limited;
  END IF;

  SELECT array_agg(l.location_key ORDER BY wanted.n),
    array_agg(coalesce((l.fields ->> 'active')::boolean, false) ORDER BY wanted.n),
    array_agg((l.fields ->> 'capacity_orders')::bigint ORDER BY wanted.n),
    array_agg((l.fields ->> 'capacity_units')::bigint ORDER BY wanted.n)
  INTO row_keys, sells, most_orders, most_units
  FROM unnest(row_locations) WITH ORDINALITY AS wanted(id, n)
    LEFT JOIN LATERAL (
      SELECT location_key, body::jsonb AS fields FROM location
      WHERE location.location_id = wanted.id OFFSET 0
    ) AS l ON true;

  units := array_fill(NULL::bigint, ARRAY[cardinality(row_skus)]);
  FOR r, other IN
    SELECT wanted.n,
      s.on_hand - s.allocated - s.held - s.withdrawn - s.safety_stock
    FROM unnest(row_skus, row_keys) WITH ORDINALITY AS wanted(sku, key, n)
      JOIN stock s ON s.sku = wanted.sku AND s.location_key = wanted.key
    ORDER BY wanted.n
    FOR NO KEY UPDATE OF s
  LOOP
    units[r] := other;
  END LOOP;

  today := at_ms / 86400000;
  IF array_remove(most_orders || most_units, NULL) <> '{}' THEN
    SELECT array_agg(capped.key ORDER BY capped.key),
      array_agg(capped.o ORDER BY capped.key), array_agg(capped.u ORDER BY capped.key)
    INTO cap_keys, cap_orders, cap_units
    FROM (SELECT DISTINCT each.key, each.o, each.u
          FROM unnest(row_keys, most_orders, most_units)
            AS each(key, o, u)
          WHERE each.o IS NOT NULL OR each.u IS NOT NULL) AS capped;
    SELECT array_agg(coalesce(array_position(cap_keys, each.key), 0) ORDER BY each.n)
    INTO row_caps FROM unnest(row_keys) WITH ORDINALITY AS each(key, n);
    INSERT INTO location_load (day, location_key, orders, units)
    SELECT today, cap.key, 0, 0 FROM unnest(cap_keys) WITH ORDINALITY AS cap(key, n)
    ORDER BY cap.n ON CONFLICT DO NOTHING;
    WITH held AS MATERIALIZED (
      SELECT cap.n, ll.orders, ll.units
      FROM unnest(cap_keys) WITH ORDINALITY AS cap(key, n)
        JOIN location_load ll ON ll.day = today AND ll.location_key = cap.key
      ORDER BY cap.n FOR NO KEY UPDATE OF ll
    )
    SELECT array_agg(held.orders ORDER BY n), array_agg(held.units ORDER BY n)
    INTO old_orders, old_units FROM held;
  END IF;

  IF cardinality(move_skus) > 0 THEN
    INSERT INTO stock_moves (sku, moves)
    SELECT k.sku, 0 FROM unnest(move_skus) WITH ORDINALITY AS k(sku, n)
    ORDER BY k.n ON CONFLICT DO NOTHING;
    WITH held AS MATERIALIZED (
      SELECT k.n, m.moves
      FROM unnest(move_skus) WITH ORDINALITY AS k(sku, n)
        JOIN stock_moves m ON m.sku = k.sku
      ORDER BY k.n FOR NO KEY UPDATE OF m
    )
    SELECT array_agg(held.moves ORDER BY n) INTO moves FROM held;
  END IF;

  IF cardinality(count_skus) > 0 THEN
    INSERT INTO queue (channel_id, sku, queued, promised)
    SELECT k.channel, k.sku, 0, 0
    FROM unnest(count_channels, count_skus) WITH ORDINALITY AS k(channel, sku, n)
    ORDER BY k.n ON CONFLICT DO NOTHING;
    WITH held AS MATERIALIZED (
      SELECT k.n, q.queued, q.promised
      FROM unnest(count_channels, count_skus) WITH ORDINALITY AS k(channel, sku, n)
        JOIN queue q ON q.channel_id = k.channel AND q.sku = k.sku
      ORDER BY k.n FOR NO KEY UPDATE OF q
    )
    SELECT array_agg(held.queued ORDER BY n), array_agg(held.promised ORDER BY n)
    INTO old_queued, old_promised FROM held;
  END IF;

  FOR attempt IN 1 .. 3 LOOP
    BEGIN
      lefts := units;
      new_queued := old_queued;
      new_promised := old_promised;
      load_orders := old_orders;
      load_units := old_units;
      load_plans := '{}';
      load_caps := '{}';
      load_needs := '{}';
      stored := array_fill(false, ARRAY[plans]);
      binds := stored;
      plan_keys := array_fill(NULL::bigint, ARRAY[plans]);
      outcomes := array_fill(NULL::text, ARRAY[plans]);
      failed_claims := array_fill(NULL::bigint, ARRAY[plans]);

      SELECT array_agg(q.digest ORDER BY g.n),
        array_agg(coalesce(q.reply, first.reply) ORDER BY g.n),
        array_agg(live.plan_id ORDER BY g.n),
        array_agg(same.plan_key IS NOT NULL ORDER BY g.n)
      INTO old_digests, old_replies, live_plans, taken
      FROM unnest(request_ids, order_ids, plan_ids) WITH ORDINALITY
          AS g(request_id, order_id, plan_id, n)
        -- Each by its key: as plain joins they were planned, while the tables were
        -- new, to be read whole, and stayed so until somebody analysed them.
        LEFT JOIN LATERAL (
          SELECT * FROM request WHERE request.request_id = g.request_id LIMIT 1
        ) AS q ON true
        LEFT JOIN LATERAL (
          SELECT * FROM plan WHERE plan.plan_key = q.plan_key LIMIT 1
        ) AS first ON true
        LEFT JOIN LATERAL (
          SELECT * FROM plan WHERE plan.order_id = g.order_id
            AND plan.state IN ('held', 'placed', 'shipped') LIMIT 1
        ) AS live ON true
        LEFT JOIN LATERAL (
          SELECT * FROM plan WHERE plan.plan_id = g.plan_id LIMIT 1
        ) AS same ON true;

      FOR i IN 1 .. plans LOOP
        outcome := NULL;
        IF request_ids[i] <> '' THEN
          IF old_digests[i] IS NOT NULL THEN
            outcome := CASE WHEN old_digests[i] = digests[i]
              THEN 'replayed' ELSE 'reused' END;
          ELSE
            other := same_requests[i];
            WHILE other > 0 AND NOT stored[other] LOOP
              other := same_requests[other];
            END LOOP;
            IF other > 0 THEN
              outcome := CASE WHEN digests[other] = digests[i]
                THEN 'replayed' ELSE 'reused' END;
              old_replies[i] := replies[other];
            END IF;
          END IF;
        END IF;
        IF outcome IS NULL THEN
          other := same_orders[i];
          WHILE live_plans[i] IS NULL AND other > 0 LOOP
            IF binds[other] THEN
              live_plans[i] := plan_ids[other];
            END IF;
            other := same_orders[other];
          END LOOP;
          IF live_plans[i] IS NOT NULL THEN
            outcome := 'routed';
          END IF;
        END IF;
        IF outcome IS NULL THEN
          other := claim_firsts[i];
          WHILE other < claim_firsts[i + 1] LOOP
            r := claim_rows[other];
            IF lefts[r] >= claim_units[other] AND sells[r] THEN
              lefts[r] := lefts[r] - claim_units[other];
              other := other + 1;
            ELSE
              outcome := 'conflict';
              failed_claims[i] := other;
              EXIT;
            END IF;
          END LOOP;
          IF outcome IS NULL AND NOT taken[i] AND same_plans[i] > 0 THEN
            c := same_plans[i];
            WHILE c > 0 AND NOT stored[c] LOOP
              c := same_plans[c];
            END LOOP;
            taken[i] := c > 0;
          END IF;
          IF outcome IS NULL AND taken[i] THEN
            outcome := 'refused';
          END IF;
          counted := outcome IS NULL;
          IF counted THEN
            FOR k IN add_firsts[i] .. add_firsts[i + 1] - 1 LOOP
              c := add_counts[k];
              new_queued[c] := new_queued[c] + add_queued[k];
              new_promised[c] := new_promised[c] + add_promised[k];
            END LOOP;
            FOR k IN guard_firsts[i] .. guard_firsts[i + 1] - 1 LOOP
              total := 0;
              FOR m IN guard_count_firsts[k] .. guard_count_firsts[k + 1] - 1 LOOP
                c := guard_counts[m];
                total := total
                  + CASE WHEN guard_queued[k] THEN new_queued[c] ELSE new_promised[c] END;
              END LOOP;
              IF total > guard_most[k]
                  OR moves[guard_move_rows[k]] <> guard_moves[k] THEN
                outcome := 'guarded';
                EXIT;
              END IF;
            END LOOP;
          END IF;
          IF outcome IS NULL THEN
            FOR k IN buy_firsts[i] .. buy_firsts[i + 1] - 1 LOOP
              CONTINUE WHEN buy_most[k] IS NULL;
              SELECT coalesce(sum((p.units + p.size - 1) / p.size), 0) INTO total
              FROM purchase p WHERE p.customer_id = customers[i]
                AND p.sku = buy_skus[k] AND p.at_ms > at_ms - 1000 * buy_seconds[k];
              FOR m IN 1 .. buy_firsts[i + 1] - 1 LOOP
                IF (stored[buy_plans[m]] OR buy_plans[m] = i)
                    AND customers[buy_plans[m]] = customers[i]
                    AND buy_skus[m] = buy_skus[k] THEN
                  total := total + (buy_units[m] + buy_sizes[m] - 1) / buy_sizes[m];
                END IF;
              END LOOP;
              IF total > buy_most[k] THEN
                outcome := 'bought';
                failed_claims[i] := k;
                EXIT;
              END IF;
            END LOOP;
          END IF;
          IF outcome IS NULL AND cap_keys IS NOT NULL THEN
            plan_needs := array_fill(0::bigint, ARRAY[cardinality(cap_keys)]);
            FOR k IN claim_firsts[i] .. claim_firsts[i + 1] - 1 LOOP
              c := row_caps[claim_rows[k]];
              IF c > 0 THEN
                plan_needs[c] := plan_needs[c] + claim_units[k];
              END IF;
            END LOOP;
            FOR k IN claim_firsts[i] .. claim_firsts[i + 1] - 1 LOOP
              c := row_caps[claim_rows[k]];
              IF c > 0 AND (load_orders[c] >= cap_orders[c]
                            OR load_units[c] + plan_needs[c] > cap_units[c]) THEN
                outcome := 'full';
                failed_claims[i] := k;
                EXIT;
              END IF;
            END LOOP;
            FOR k IN 1 .. cardinality(cap_keys) LOOP
              IF outcome IS NULL AND plan_needs[k] > 0 THEN
                load_orders[k] := load_orders[k] + 1;
                load_units[k] := load_units[k] + plan_needs[k];
                load_plans := load_plans || i::bigint;
                load_caps := load_caps || k::bigint;
                load_needs := load_needs || plan_needs[k];
              END IF;
            END LOOP;
          END IF;
          IF outcome IS NULL THEN
            outcome := 'stored';
            stored[i] := true;
            plan_keys[i] := nextval('plan_plan_key_seq');
            binds[i] := claim_firsts[i + 1] > claim_firsts[i]
              OR i = ANY (queued_plans);
          ELSE
            FOR k IN claim_firsts[i] .. other - 1 LOOP
              r := claim_rows[k];
              lefts[r] := lefts[r] + claim_units[k];
            END LOOP;
            IF counted THEN
              FOR k IN add_firsts[i] .. add_firsts[i + 1] - 1 LOOP
                c := add_counts[k];
                new_queued[c] := new_queued[c] - add_queued[k];
                new_promised[c] := new_promised[c] - add_promised[k];
              END LOOP;
            END IF;
          END IF;
        END IF;
        outcomes[i] := outcome;
      END LOOP;

      IF true = ANY (stored) THEN
        INSERT INTO plan (plan_key, plan_id, order_id, state, revision, body, reply,
          created_ms, hold_seconds, expires_ms, work, channel_id, customer_id)
        SELECT g.key, g.plan_id, g.order_id,
          CASE WHEN NOT g.binds THEN 'none' WHEN g.hold IS NULL THEN 'placed'
            ELSE 'held' END,
          0, g.body, g.reply, at_ms, CASE WHEN g.binds THEN g.hold END,
          CASE WHEN g.binds THEN at_ms + 1000 * g.hold END, '', g.channel, g.customer
        FROM unnest(plan_keys, plan_ids, order_ids, bodies, replies, holds, binds,
            channels, customers)
          AS g(key, plan_id, order_id, body, reply, hold, binds, channel, customer)
        WHERE g.key IS NOT NULL;

        INSERT INTO request (request_id, digest, plan_key, created_ms)
        SELECT g.request_id, g.digest, g.plan_key, at_ms
        FROM unnest(request_ids, digests, plan_keys, stored)
          AS g(request_id, digest, plan_key, stored)
        WHERE g.stored AND g.request_id <> '';

        IF cardinality(buy_plans) > 0 THEN
          INSERT INTO purchase (plan_key, line_id, customer_id, sku, size, units, at_ms)
          SELECT plan_keys[b.i], b.line, customers[b.i], b.sku, b.size, b.units, at_ms
          FROM unnest(buy_plans, buy_lines, buy_skus, buy_sizes, buy_units)
            AS b(i, line, sku, size, units)
          WHERE stored[b.i];
        END IF;
      END IF;

      IF true = ANY (binds) THEN
        UPDATE stock s SET allocated = s.allocated + more.allocated,
          held = s.held + more.held
        FROM (
          SELECT row_skus[k.r] AS sku, row_keys[k.r] AS location_key,
            coalesce(sum(k.units) FILTER (WHERE holds[k.i] IS NULL), 0)::bigint
              AS allocated,
            coalesce(sum(k.units) FILTER (WHERE holds[k.i] IS NOT NULL), 0)::bigint
              AS held
          FROM unnest(claim_plans, claim_rows, claim_units) AS k(i, r, units)
          WHERE stored[k.i] GROUP BY k.r
        ) AS more
        WHERE s.sku = more.sku AND s.location_key = more.location_key;

        INSERT INTO movement (at_ms, cause, reference, plan_key, line_id,
          location_key, channel_id, sku, zone_id, on_hand, zone_units, allocated,
          held, withdrawn, safety_stock, queued)
        SELECT at_ms, CASE WHEN holds[k.i] IS NULL THEN 'allocated' ELSE 'held' END,
          '', plan_keys[k.i], k.line, row_keys[k.r], channels[k.i], row_skus[k.r],
          '', 0, 0,
          CASE WHEN holds[k.i] IS NULL THEN k.units ELSE 0 END,
          CASE WHEN holds[k.i] IS NULL THEN 0 ELSE k.units END, 0, 0, 0
        FROM unnest(claim_plans, claim_rows, claim_lines, claim_units)
          WITH ORDINALITY AS k(i, r, line, units, n)
        WHERE stored[k.i] ORDER BY k.n;

        IF cardinality(queued_plans) > 0 THEN
          INSERT INTO movement (at_ms, cause, reference, plan_key, line_id,
            location_key, channel_id, sku, zone_id, on_hand, zone_units, allocated,
            held, withdrawn, safety_stock, queued)
          SELECT at_ms, 'queued', '', plan_keys[k.i], k.line, NULL, k.channel, k.sku,
            '', 0, 0, 0, 0, 0, 0, k.units
          FROM unnest(queued_plans, queued_channels, queued_skus, queued_lines,
            queued_units) WITH ORDINALITY AS k(i, channel, sku, line, units, n)
          WHERE stored[k.i] ORDER BY k.n;
        END IF;

        IF cardinality(count_skus) > 0 THEN
          UPDATE queue q SET queued = k.queued, promised = k.promised
          FROM unnest(count_channels, count_skus, new_queued, new_promised,
              old_queued, old_promised)
            AS k(channel, sku, queued, promised, was_queued, was_promised)
          WHERE q.channel_id = k.channel AND q.sku = k.sku
            AND (k.queued <> k.was_queued OR k.promised <> k.was_promised);
        END IF;

        IF cardinality(load_plans) > 0 THEN
          UPDATE location_load ll SET orders = cap.orders, units = cap.units
          FROM unnest(cap_keys, load_orders, load_units) AS cap(key, orders, units)
          WHERE ll.day = today AND ll.location_key = cap.key;

          INSERT INTO plan_load (plan_key, location_key, day, units)
          SELECT plan_keys[k.i], cap_keys[k.c], today, k.units
          FROM unnest(load_plans, load_caps, load_needs) AS k(i, c, units);
        END IF;

        new_version := nextval('ledger_version');
        xact := pg_current_xact_id()::text::bigint;
      END IF;
      EXIT;
    EXCEPTION WHEN unique_violation THEN
      IF attempt = 3 THEN
        RAISE;
      END IF;
    END;
  END LOOP;

  SELECT ledger.network_version INTO network FROM ledger;
END
$$
