"""Learns hash codes by IMSAT (VAT), or another method of the paper, and
measures how well they retrieve.

    python experiments/hashing.py                    the digits of sklearn
    python experiments/hashing.py --method pca-itq   another row of Table 5
    python experiments/hashing.py --dataset mnist --bits 16    Table 5
    python experiments/hashing.py --bits 4 --values 10    four digits a code

Data of your own:

    a table              --dataset points.csv --bits 32
    images               --dataset FOLDER --bits 32
    texts, one a line    --dataset posts.txt --bits 32
    numbers, embeddings  --dataset points.npy --bits 32
    searched for others  --query q.npz --gallery g.npz --bits 32
"""
import collections
import hashlib
import math
import os
import sys
import time
import warnings

import numpy
import scipy.sparse

import imsat
from common import answers
from common.folders import describe, run_folder
from common.labels import digest_of_labels, labels_to_score
from common.options import (
    get_parser, make_model, parse, settle, table_options)
from common.report import (
    Points, about_sample, named, sample_of, write_report)
from common.results import (
    in_seconds, save_log, save_model, training_results)
from common.scripts import a_path, main, positive
from common.words import about_information, from_to, information_of_run
from imsat import pictures
from imsat.datasets import Dataset, load_dataset, split_queries
from imsat.datasets.loading import read_file
from imsat.estimators import IMSATHasher
from imsat.labels import number_labels
from imsat.losses.objectives import CodeObjective
from imsat.on_disk import OnDisk, rows_as_bytes
from imsat.parameters import Choice, Whole
from imsat.ranks import sharing
from imsat.retrieval import nearest_head_codes
from imsat.retrieval import scores as retrieval
from imsat.retrieval.codes import count_distinct, unpack_bits
from imsat.storage import digest, save_json, save_npz
from paper.systems import get_system

SCORES = ('map_trapezoid', 'map_step', 'map_expected', 'precision_at_500',
          'precision_at_500_expected', 'precision_at_500_possible',
          'precision_at_r2', 'empty_balls')

TRAIN_ON = 'all', 'gallery'
QUERIES = 100  # of a class
FREQUENT = 10  # codes that are shown
PART = 1 << 16  # codes that are unpacked at a time
# Of the options that only this script has.
KINDS = {'queries_per_class': Whole(1), 'train_on': Choice(TRAIN_ON),
         'values': Whole(2, optional=True)}


def get_options(argv=None):
    parser = get_parser('hashing', __doc__)
    add = parser.add_argument_group('options of retrieval').add_argument
    add('--queries-per-class', type=int, default=QUERIES, metavar='N',
        help='drawn by --seed (section 4.3), half of a class that has fewer '
             'than 2 N points; default %(default)s')
    add('--train-on', choices=TRAIN_ON, default='all',
        help='whether the queries, without their labels, are learnt from as '
             'well, as in the authors\' code (default)')
    add('--query', type=a_path, metavar='FILE',
        help='queries of your own, a file as for --dataset')
    add('--gallery', type=a_path, metavar='FILE',
        help='and what is searched for them')
    add('--values', type=int, metavar='V',
        help='V values for each of the --bits outputs (section 3.2.1): codes '
             'are whole numbers from 0, compared by how many differ; default: '
             'bits')
    add('--map-at', type=positive, metavar='K',
        help='mAP of the first K items as well; needs labels')
    args = parse(parser, argv, KINDS)
    if args.values is not None:
        check_values(args)
    if (args.query is None) != (args.gallery is None):
        raise imsat.InputError('--query and --gallery go together; give both '
                               'files or neither')
    if args.query is not None and args.labels is not None:
        raise imsat.InputError('--labels has those of one file, and --query '
                               'and --gallery are two; put the labels into '
                               'these files (docs/data.md)')
    return args


def check_values(args):
    if args.values < 2:
        raise imsat.InputError(f'--values is {args.values}; give a whole '
                               f'number from 2')
    if not issubclass(get_system('hashing', args.method).estimator,
                      IMSATHasher):
        raise imsat.InputError(f'{args.method} makes bits alone; leave '
                               f'--values out, or take --method imsat-vat')


def sizes_of(args):
    """V_1, ..., V_M of section 3.2.1; None for bits."""
    return None if args.values is None else (args.values,) * args.bits


def read_points(args):
    """The data set, and which rows are queries and gallery.

    Files of one's own make one data set, the queries first.  Without labels
    there are no queries unless they have a file.
    """
    if args.query is None:
        data = load_dataset(args.dataset, args.data_dir,
                            verbose=not args.quiet, **table_options(args))
        data.y = labels_to_score(data.y, args.dataset)
        if data.y is None:
            return data, numpy.arange(0), numpy.arange(data.x.shape[0])
        return data, *split_queries(data.y, args.queries_per_class, args.seed)
    refusal = imsat.InputError(
        f'{args.query} and {args.gallery} hold the same points, and each '
        f'would find itself; leave the queries out of --gallery')
    if os.path.exists(args.query) and os.path.exists(args.gallery) \
            and os.path.samefile(args.query, args.gallery):
        raise refusal
    how = dict(table_options(args), verbose=not args.quiet)
    gallery = read_file(args.gallery, **how)
    # Named columns of both are compared, in their order.
    query = read_file(args.query, **how, like=None if gallery.names and not
                      gallery.documents else gallery.preparation)
    if None not in (query.names, gallery.names) \
            and query.names != gallery.names:
        raise imsat.InputError(
            f'the columns of {args.query} are {", ".join(query.names)}, and '
            f'those of {args.gallery} {", ".join(gallery.names)}; give both '
            f'the same in the same order, by --columns for example')
    if query.x.shape[1] != gallery.x.shape[1]:
        raise imsat.InputError(
            f'{args.query} has {query.x.shape[1]} features and '
            f'{args.gallery} {gallery.x.shape[1]}; give both the same')
    if query.x.shape == gallery.x.shape \
            and digest(query.x) == digest(gallery.x):
        raise refusal
    if (query.y is None) != (gallery.y is None):
        raise imsat.InputError(
            f'only one of {args.query} and {args.gallery} has labels; give '
            f'both y, to be scored, or neither')
    y = None
    if query.y is not None and query.y.shape[1:] != gallery.y.shape[1:]:
        raise imsat.InputError(
            f'labels of {args.query} have shape {query.y.shape}, and those of '
            f'{args.gallery} {gallery.y.shape}; give both the same columns')
    if query.y is not None:
        y = labels_to_score(joined_labels(query.y, gallery.y),
                            f'{args.query} and {args.gallery}')
    x = [query.x, gallery.x]
    if any(map(scipy.sparse.issparse, x)):
        x = scipy.sparse.vstack(x, 'csr')
    elif any(isinstance(part, OnDisk) for part in x):
        x = OnDisk(x)
    else:
        x = numpy.concatenate(x)
    data = Dataset(
        gallery.name, x, y, gallery.image_shape, gallery.notes,
        names=query.names or gallery.names,
        index=joined(query.index, gallery.index),
        documents=joined(query.documents, gallery.documents),
        thumbnails=joined_thumbnails(query, gallery),
        preparation=gallery.preparation)
    rows, n = numpy.arange(data.x.shape[0]), query.x.shape[0]
    return data, rows[:n], rows[n:]


def joined(first, second):
    """Two lists as one, or None where one is missing."""
    return None if None in (first, second) else first + second


def joined_labels(*parts):
    """Two arrays of labels as one; of objects if they would meet as other
    numbers, or as text."""
    kinds = {labels.dtype.kind for labels in parts}
    if len(kinds) == 1 or kinds <= set('biuf'):
        y = numpy.concatenate(parts)
        with numpy.errstate(invalid='ignore'):  # beyond what one can hold
            if all((same.astype(labels.dtype) == labels).all()
                   for same, labels in zip(
                       numpy.split(y, [len(parts[0])]), parts)):
                return y
    return numpy.concatenate([labels.astype(object) for labels in parts])


def joined_thumbnails(*datasets):
    """Those of all, or None where one has none or others of another size."""
    parts = [data.thumbnails for data in datasets]
    sizes = {None if part is None else part.shape[1:] for part in parts}
    return numpy.concatenate(parts) if None not in sizes \
        and len(sizes) == 1 else None


def warn_of_unused(args, data):
    """Warns of options that change nothing for these points."""
    is_labelled, has_file = data.y is not None, args.query is not None
    for option, is_unused, why in (
            ('queries-per-class', args.queries_per_class != QUERIES
             and (has_file or not is_labelled),
             'queries are drawn from one file, by its labels'),
            ('train-on', args.train_on != TRAIN_ON[0]
             and not (has_file or is_labelled),
             'without labels there are no queries to leave out'),
            ('map-at', args.map_at is not None and not is_labelled,
             'mAP needs labels')):
        if is_unused:
            warnings.warn(f'no use is made of --{option}: {why}')


def run(args):
    data, query, gallery = read_points(args)
    warn_of_unused(args, data)
    if args.query is not None and data.y is not None:
        # What would fail after the training fails before it.
        retrieval.match_labels(data.y[query], data.y[gallery],
                               len(query), len(gallery))
    if args.train_on == 'all':
        x = data.x
    elif isinstance(data.x, OnDisk):
        raise imsat.InputError(
            f'--train-on is gallery, but {data.name} stays on disk, where it '
            f'is read as a whole; take --train-on all')
    else:
        x = data.x[gallery]
    sizes = sizes_of(args)
    model = make_model(args) if sizes is None else make_model(
        args, objective=CodeObjective(sizes, args.lam))
    model.check(x)
    settle(args, model, x)
    found = count_found(data.x, query)
    if found:
        warnings.warn(
            f'{found} of {len(query)} queries are equal to points of '
            f'{args.gallery or "the gallery"}, and find these first; if they '
            f'are the same points, leave them out of one of both')
    with run_folder(args, describe(data, queries=len(query))) as out:
        model.fit(x)
        if out is not None:
            save_model(out, args, data, x, model)
        # Ranks share the batches, and the gallery that is searched.
        with sharing(args.communicator):
            codes = model.transform(data.x)
            scored = score(args, data, query, gallery, codes)
        if out is not None:
            save_results(out, args, data, query, gallery, model, codes,
                         scored)


def count_found(x, query):
    """How many rows of some numbers are equal to one of the others."""
    if not len(query):
        return 0

    def keys(x):  # what stays on disk may not fit into memory
        return (hashlib.blake2b(row, digest_size=16).digest()
                for row in rows_as_bytes(x))
    counts, found = collections.Counter(keys(x[query])), 0
    is_query = numpy.zeros(x.shape[0], bool)
    is_query[query] = True
    for is_own, key in zip(is_query, keys(x)):
        if not is_own:
            found += counts.pop(key, 0)
    return found


def score(args, data, query, gallery, codes):
    """Scores and the histograms that they are from; None without labels."""
    if data.y is None:
        return None
    sets = (codes[query], data.y[query], codes[gallery], data.y[gallery],
            args.bits if args.values is None else None)
    start = time.perf_counter()
    scores = retrieval.retrieval_scores(*sets, args.map_at)
    scores['seconds_evaluation'] = time.perf_counter() - start
    return scores, retrieval.calc_histograms(*sets)


def save_answers(out, args, data, query, gallery, codes):
    """Writes the code of each point, queries first."""
    # Files of one's own are numbered each by itself.
    first = 0 if args.gallery is None else len(query)
    numbers = gallery - first if first else gallery
    # Codes of several values are not what score_codes.py takes.
    labels = {} if data.y is None or data.y.dtype.hasobject \
        or args.values is not None else {
        'query_labels': data.y[query], 'gallery_labels': data.y[gallery]}
    save_npz(out / 'codes.npz', {
        'query_codes': codes[query], 'query_index': query,
        'gallery_codes': codes[gallery], 'gallery_index': numbers, **labels})
    n_queries = len(query)

    def columns_of(part):
        places = numpy.arange(part.start, part.stop)
        of_query = places[places < n_queries]
        of_gallery = places[len(of_query):] - n_queries
        order = numpy.concatenate([query[of_query], gallery[of_gallery]])
        return {
            'set': ['query'] * len(of_query) + ['gallery'] * len(of_gallery),
            **answers.places(
                numpy.concatenate([query[of_query], numbers[of_gallery]]),
                data.index and [data.index[i] for i in order]),
            **answers.of_codes(codes[order], args.bits, args.values)}
    answers.save_csv(out / 'codes.csv', len(codes), columns_of)


def save_results(out, args, data, query, gallery, model, codes, scored):
    save_answers(out, args, data, query, gallery, codes)
    seen, rows = sample_of(data, args.seed)
    most = args.bits * math.log(args.values or 2)
    names = [*save_log(out, model, most), 'bits.png']
    p = model.predict_proba(seen.x) if hasattr(model, 'predict_proba') \
        else None
    shown = gallery if seen is data else slice(None)
    pictures.bits(
        out / names[-1], unpack_bits(codes[rows][shown], args.bits).astype(
            numpy.float64) if p is None else p[shown], sizes_of(args))

    result = dict(
        method=args.method, dataset=data.name, notes=data.notes,
        n=data.x.shape[0], labels_sha256=digest_of_labels(data.y),
        queries=len(query), bits=args.bits, values=args.values,
        hidden=args.hidden,
        distinct_codes=count_distinct(codes[gallery]),
        **dict.fromkeys(SCORES), seconds_evaluation=None)
    if scored is not None:
        scores, histograms = scored
        result.update(scores)
        names.append('retrieval.png')
        pictures.retrieval(out / names[-1],
                           *retrieval.eval_curves(*histograms))
    if data.images is not None and data.y is not None:
        names.append('nearest.png')
        draw_nearest(out / names[-1], args, data, query, gallery, codes)
    result.update(
        **information_of_run(model.restarts_[model.best_restart_].log, most),
        **training_results(args, model))
    save_json(out / 'result.json', result)
    sentences = said_of(args, result, frequencies(args, codes))
    if not args.quiet:
        print_summary(out, args, result, names, sentences)
    save_report(out, args, seen, len(query), codes[rows], p, result, names,
                [*sentences, *about_sample(seen, data.x.shape[0])])


def frequencies(args, codes):
    """How frequent each value is in each output, shape (V, D); of bits 1."""
    values = [1] if args.values is None else range(args.values)
    counts = numpy.zeros((len(values), args.bits))
    for start in range(0, len(codes), PART):
        outputs = answers.outputs_of(codes[start:start + PART], args.bits,
                                     args.values)
        counts += [(outputs == value).sum(axis=0) for value in values]
    return counts / len(codes)


def said_of(args, result, shares):
    """Sentences about the information of a result.

    Args:
        shares (array): Of :func:`frequencies`.
    """
    what, value = ('bits', 'a bit is 1 for') if args.values is None \
        else ('outputs', 'a value of an output is that of')
    sentences = about_information(
        result, f'that {outputs_of(args)} can tell', f'{what} are {{}}sure',
        f'{value} {from_to(numpy.ravel(shares))} of the points')
    if sentences:
        sentences.append(f'Pairs of {what} share '
                         f'{result["pairwise_information"]:.3f} nats; the '
                         f'less, the more all of them tell together.')
    return sentences


def outputs_of(args):
    return f'{args.bits} bits' if args.values is None else \
        f'{args.bits} outputs of {args.values} values'


def save_report(out, args, data, n_queries, codes, p, result, names,
                sentences):
    scores = None
    if result['map_trapezoid'] is not None:
        scores = ['score', ''], [
            [key.replace('map', 'mAP').replace('_', ' '),
             f'{result[key]:.1%}']
            for key in (*SCORES, f'map_at_{args.map_at}')
            if isinstance(result.get(key), float)]
    outputs = answers.outputs_of(codes, args.bits, args.values)

    def text(i):
        return ('' if args.values is None else '-').join(map(str, outputs[i]))
    _, group, counts = numpy.unique(
        codes, axis=0, return_inverse=True, return_counts=True)
    frequent = numpy.argsort(-counts, kind='stable')[:FREQUENT]
    groups = [numpy.flatnonzero(group.ravel() == code) for code in frequent]
    certainty = None
    if p is not None:
        certainty = numpy.maximum(p, 1 - p).mean(axis=1) \
            if args.values is None else p.reshape(
                len(p), args.bits, args.values).max(axis=2).mean(axis=1)
    points = named(data)
    if args.gallery is not None and data.index is None:
        points = [f'query {i}' for i in range(n_queries)] + [
            f'gallery {i}' for i in range(len(points) - n_queries)]
    write_report(
        out / 'report.html',
        f'{data.name}: {result["n"]} points in {outputs_of(args)} by '
        f'{get_system("hashing", args.method).title}', args, result,
        sentences=[
            *sentences, f'{"All" if len(points) == result["n"] else "These"} '
            f'points have {len(counts)} distinct codes; below are the most '
            f'frequent.'],
        scores=scores, pictures=names, points=Points(data, points),
        kind='Codes',
        groups=[(f'Code {text(rows[0])}', rows) for rows in groups],
        certainty=certainty, uncertain=text)


def draw_nearest(path, args, data, query, gallery, codes):
    """The nearest images to the first query of each class, of ten at most."""
    classes = data.y[query] if data.y.ndim == 2 \
        else number_labels(data.y[query])[0]
    _, first = numpy.unique(classes, axis=0, return_index=True)
    shown = query[first[:10]]
    k = min(12, len(gallery))
    if args.values is None:
        index = imsat.HammingIndex(args.bits)
        index.add(codes[gallery])
        distances, neighbors = index.search(codes[shown], k)
    else:
        distances, neighbors = nearest_head_codes(
            codes[shown], codes[gallery], k)
    x, shape = data.images
    pictures.nearest_images(path, x[shown], data.y[shown], x, data.y,
                            gallery[neighbors], distances, shape)


def print_summary(out, args, result, names, sentences):
    print(f'\n{result["dataset"]}: {result["n"]} points in '
          f'{outputs_of(args)}, '
          f'{result["distinct_codes"]} distinct codes in the gallery, '
          f'{in_seconds(result)}')
    if result['map_trapezoid'] is None:
        print('no labels, so no scores; codes.npz holds the codes')
    else:
        print(f'{result["queries"]} queries: mAP {result["map_trapezoid"]:.1%}'
              f' (trapezoid, as in the paper), {result["map_step"]:.1%} '
              f'(step), {result["map_expected"]:.1%} (ties in random order)')
        print(f'precision at 500 {result["precision_at_500_expected"]:.1%} '
              f'(of {result["precision_at_500_possible"]:.1%} possible), at '
              f'r = 2 {result["precision_at_r2"]:.1%} '
              f'({result["empty_balls"]} empty balls)')
        if args.map_at is not None:
            print(f'mAP of the first {args.map_at} '
                  f'{result[f"map_at_{args.map_at}"]:.1%}')
    print(*sentences, sep='\n', end='\n' if sentences else '')
    print(f'results and pictures in {out}/: '
          + ', '.join(['report.html', *names]))


if __name__ == '__main__':
    sys.exit(main(run, get_options))
