-- The tables of a QCoDeS database (schema version 9) with two runs, as far as data need them.
CREATE TABLE experiments (exp_id INTEGER PRIMARY KEY, name TEXT, sample_name TEXT, start_time INTEGER, end_time INTEGER,
  run_counter INTEGER, format_string TEXT);
CREATE TABLE runs (run_id INTEGER PRIMARY KEY, exp_id INTEGER, name TEXT, result_table_name TEXT, result_counter INTEGER,
  run_timestamp INTEGER, completed_timestamp INTEGER, is_completed BOOL, parameters TEXT, guid TEXT,
  run_description TEXT, free_layer TEXT);
CREATE TABLE layouts (layout_id INTEGER PRIMARY KEY, run_id INTEGER, parameter TEXT, label TEXT, unit TEXT, inferred_from TEXT);
CREATE TABLE dependencies (dependent INTEGER, independent INTEGER, axis_num INTEGER);
INSERT INTO experiments VALUES (1, 'torkance', 'A1', 1710418385, NULL, 2, '{}-{}-{}');
INSERT INTO runs VALUES (1, 1, 'bias sweep', 'results-1-1', 6, 1710418385.1, 1710418399.2, 1, 'dac,par,perp', 'aaaa', '{}', '2.1 nm');
INSERT INTO runs VALUES (2, 1, 'trace', 'results-1-2', 1, 1710418400.1, 1710418401.2, 1, 'field,v_mix', 'bbbb', '{}', '2.1 nm');
INSERT INTO layouts VALUES (1, 1, 'dac', 'Bias', 'V', ''), (2, 1, 'par', 'In-plane torkance', 'mT/V', ''),
  (3, 1, 'perp', 'Out-of-plane torkance', 'mT/V', ''), (4, 2, 'field', 'Field', 'T', ''), (5, 2, 'v_mix', 'Mixing voltage', 'V', '');
INSERT INTO dependencies VALUES (2, 1, 0), (3, 1, 0), (5, 4, 0);
CREATE TABLE "results-1-1" (id INTEGER PRIMARY KEY, dac, par, perp);
INSERT INTO "results-1-1" VALUES (1, -0.1, 12.5, NULL), (2, -0.1, NULL, -0.25), (3, 0.0, 12.0, NULL), (4, 0.0, NULL, 0.0),
  (5, 0.1, 11.5, NULL), (6, 0.1, NULL, 0.25);
CREATE TABLE "results-1-2" (id INTEGER PRIMARY KEY, field, v_mix);
