COMMON = dict(method='imsat-vat', epochs=50, batch_size=250, restarts=1,
              neighbor=11, xi=10, power_iterations=1,
              initialization='original', sampling='permutation')


def faithful(task):
    return {**COMMON, **({'prior': None, 'delta': None} if task == 'clustering'
                         else {'queries_per_class': 100, 'train_on': 'all'})}
